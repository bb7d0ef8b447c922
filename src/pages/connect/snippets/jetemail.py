# pip install jetemail
from jetemail import JetEmail, SendEmailOptions

client = JetEmail(api_key="YOUR_KEY", base_url="SENDLOG_URL")
answer = client.emails.send(SendEmailOptions(
    from_="You <you@example.com>",
    to="you@example.com",
    subject="Hello from Sendlog",
    html="<p>It works.</p>",
))
print(answer["id"])
