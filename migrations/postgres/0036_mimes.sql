-- Messages that came as mail, as they go out: compressed by zstd. mime_bytes is how long one is when it is not; message_id is
-- its own Message-ID, without brackets, where Sendlog did not give it one.
CREATE TABLE email_mimes (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    mime BYTEA NOT NULL,
    mime_bytes BIGINT NOT NULL,
    message_id TEXT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);
