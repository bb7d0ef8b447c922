swaks --server SENDLOG_HOST --port SENDLOG_PORT SENDLOG_TLS \
  --auth PLAIN --auth-user sendlog --auth-password "YOUR_KEY" \
  --from you@example.com --to you@example.com \
  --header "Subject: Hello from Sendlog" --body "It works."
