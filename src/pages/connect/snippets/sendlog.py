# pip install requests
import requests

answer = requests.post(
    "SENDLOG_URL/v1/send",
    headers={"Authorization": "Bearer YOUR_KEY"},
    json={
        "templateId": "YOUR_TEMPLATE",
        "to": "you@example.com",
        "variables": {"name": "Ada"},
    },
)
print(answer.json())
