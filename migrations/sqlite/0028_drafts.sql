-- What a person sent after their session had ended: sealed, for the browser that it was typed in, for an hour.
CREATE TABLE drafts (
    user_id INTEGER NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    browser_hash TEXT NOT NULL,
    sealed TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX drafts_by_expires_at ON drafts (expires_at);
