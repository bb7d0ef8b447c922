-- Addresses that providers post to, so that the log learns what became of messages. The secret is sealed, with the token of
-- the address; the token's hash finds the row.
CREATE TABLE provider_webhooks (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    sealed TEXT NOT NULL,
    has_secret BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    heard_at BIGINT,
    recorded BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (team_id, id)
);

CREATE UNIQUE INDEX provider_webhooks_by_token ON provider_webhooks (token_hash);

-- What was refused at these addresses, and how often; nothing of it is kept but the words for the last one.
CREATE TABLE provider_webhook_refusals (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    webhook_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    times BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (team_id, webhook_id, reason)
);

-- What an honest provider never uses twice.
CREATE TABLE provider_webhook_nonces (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    webhook_id BIGINT NOT NULL,
    nonce_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, webhook_id, nonce_hash)
);

CREATE INDEX provider_webhook_nonces_by_expires_at ON provider_webhook_nonces (expires_at);
