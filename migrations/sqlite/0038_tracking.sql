-- Whether mail that goes out by SMTP tells when it is opened and which of its links are followed. A template says it for its own
-- messages; NULL leaves it to the team.
ALTER TABLE teams ADD COLUMN tracks_opens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE teams ADD COLUMN tracks_clicks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE templates ADD COLUMN tracks_opens INTEGER;
ALTER TABLE templates ADD COLUMN tracks_clicks INTEGER;

-- Whether a template's messages can be unsubscribed from with one click (RFC 8058).
ALTER TABLE templates ADD COLUMN offers_unsubscribe INTEGER NOT NULL DEFAULT 0;
