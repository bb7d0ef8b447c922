# pip install sendwithus
import sendwithus

api = sendwithus.api(
    "YOUR_KEY",
    API_PROTO="SENDLOG_PROTO", API_HOST="SENDLOG_HOST", API_PORT="SENDLOG_PORT",
)
answer = api.send(
    email_id="YOUR_TEMPLATE",
    recipient={"address": "you@example.com"},
    email_data={"name": "Ada"},
)
print(answer.json())
