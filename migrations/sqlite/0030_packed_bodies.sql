-- Bodies are kept compressed; body_bytes says how long they are as they were. Those of before stay in html and text until
-- the program has brought them over, while it serves, from the first team's first message on.
ALTER TABLE email_contents ADD COLUMN body BLOB;
ALTER TABLE email_contents ADD COLUMN body_bytes INTEGER;

INSERT INTO settings (name, value)
SELECT 'bodies_packed_to', '0 0' WHERE EXISTS (SELECT 1 FROM email_contents);
