curl SENDLOG_URL/v1/send \
  -H 'Authorization: Bearer YOUR_KEY' \
  -H 'Content-Type: application/json' \
  -d '{"templateId": "YOUR_TEMPLATE", "to": "you@example.com",
       "variables": {"name": "Ada"}}'
