-- Messages that came as mail, as they go out: compressed by zstd. mime_bytes is how long one is when it is not; message_id is
-- its own Message-ID, without brackets, where Sendlog did not give it one.
CREATE TABLE email_mimes (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    mime BLOB NOT NULL,
    mime_bytes INTEGER NOT NULL,
    message_id TEXT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT;
