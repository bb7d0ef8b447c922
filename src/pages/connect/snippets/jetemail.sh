curl SENDLOG_URL/email \
  -H 'Authorization: Bearer YOUR_KEY' \
  -H 'Content-Type: application/json' \
  -d '{"from": "You <you@example.com>", "to": "you@example.com",
       "subject": "Hello", "html": "<p>It works.</p>"}'
