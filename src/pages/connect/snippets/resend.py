# pip install resend
import resend

resend.api_url = "SENDLOG_URL"
resend.api_key = "YOUR_KEY"
sent = resend.Emails.send({
    "from": "You <you@example.com>",
    "to": "you@example.com",
    "subject": "Hello from Sendlog",
    "html": "<p>It works.</p>",
})
print(sent["id"])
