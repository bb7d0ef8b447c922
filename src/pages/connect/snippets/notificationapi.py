# pip install notificationapi-python-server-sdk
import asyncio
from notificationapi_python_server_sdk import notificationapi

notificationapi.init("YOUR_KEY_ID", "YOUR_KEY", "SENDLOG_URL")
answer = asyncio.run(notificationapi.send({
    "type": "welcome",
    "to": {"id": "user-1", "email": "you@example.com"},
    "email": {"subject": "Hello from Sendlog", "html": "<p>It works.</p>"},
}))
print(answer.json())
