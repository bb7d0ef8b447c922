curl SENDLOG_URL/send \
  -u 'YOUR_KEY:' \
  -H 'Content-Type: application/json' \
  -d '{"template": "YOUR_TEMPLATE", "recipient": {"address": "you@example.com"},
       "template_data": {"name": "Ada"}}'
