curl SENDLOG_URL/v1/events \
  -H 'Authorization: Bearer YOUR_KEY' \
  -H 'Content-Type: application/json' \
  -d '[{"id": "evt-1", "kind": "delivered", "at": "2026-11-20T09:30:00Z",
        "providerMessageId": "ID_OF_YOUR_PROVIDER"}]'
