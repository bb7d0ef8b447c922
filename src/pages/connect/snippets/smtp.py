import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "You <you@example.com>"
message["To"] = "you@example.com"
message["Subject"] = "Hello from Sendlog"
message.set_content("It works.")
with smtplib.SENDLOG_CLASS("SENDLOG_HOST", SENDLOG_PORT) as server:
    SENDLOG_ENCRYPT
    server.login("sendlog", "YOUR_KEY")
    server.send_message(message)
