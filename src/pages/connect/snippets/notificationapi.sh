curl SENDLOG_URL/YOUR_KEY_ID/sender \
  -u 'YOUR_KEY_ID:YOUR_KEY' \
  -H 'Content-Type: application/json' \
  -d '{"type": "welcome", "to": {"id": "user-1", "email": "you@example.com"},
       "email": {"subject": "Hello", "html": "<p>It works.</p>"}}'
