-- Times are microseconds since 1970. Ids are milliseconds since 1970 << 20 plus a sequence: ordered by time.

CREATE TABLE sessions (
    id_hash TEXT NOT NULL PRIMARY KEY,
    data TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX sessions_by_expires_at ON sessions (expires_at);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id BIGINT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL CONSTRAINT users_email_key UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    time_zone_chosen BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);

CREATE TABLE teams (
    id BIGINT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL CONSTRAINT teams_slug UNIQUE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);

CREATE INDEX memberships_by_user ON memberships (user_id, team_id);

CREATE TABLE role_permissions (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (team_id, role, permission)
);

CREATE TABLE invites (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT NOT NULL CONSTRAINT invites_token_hash UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, id),
    CONSTRAINT invites_email_key UNIQUE (team_id, email_key)
);

CREATE TABLE rate_limits (
    subject TEXT NOT NULL PRIMARY KEY,
    window_ends_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);

CREATE TABLE api_keys (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL CONSTRAINT api_keys_key_hash UNIQUE,
    scopes JSONB NOT NULL,
    created_by BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE TABLE templates (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    current_version_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE UNIQUE INDEX templates_name ON templates (team_id, name) WHERE deleted_at IS NULL;

CREATE TABLE template_versions (
    team_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    template_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    subject TEXT NOT NULL,
    html TEXT,
    text TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, id),
    CONSTRAINT template_versions_version UNIQUE (team_id, template_id, version),
    FOREIGN KEY (team_id, template_id) REFERENCES templates (team_id, id) ON DELETE CASCADE
);

CREATE TABLE adapters (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_address TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE UNIQUE INDEX adapters_name ON adapters (team_id, name) WHERE deleted_at IS NULL;

CREATE UNIQUE INDEX adapters_default ON adapters (team_id) WHERE is_default AND deleted_at IS NULL;

-- The log. Clustered by (team_id, id): a page of it is one walk. status is EmailStatus::code(), status_rank the rank of
-- the strongest event.
CREATE TABLE emails (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    template_id BIGINT,
    template_version_id BIGINT,
    adapter_id BIGINT,
    api_key_id BIGINT,
    api_request_id BIGINT,
    recipients JSONB NOT NULL,
    from_address TEXT NOT NULL,
    reply_to TEXT,
    subject TEXT NOT NULL,
    tags JSONB NOT NULL,
    status SMALLINT NOT NULL,
    status_rank SMALLINT NOT NULL,
    provider_message_id TEXT,
    error_message TEXT,
    has_pdf_attachment BOOLEAN NOT NULL,
    job_id BIGINT NOT NULL,
    resend_of BIGINT,
    sent_at BIGINT,
    delivered_at BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE INDEX emails_by_status ON emails (team_id, status, id);

CREATE INDEX emails_by_template ON emails (team_id, template_id, status, id) WHERE template_id IS NOT NULL;

CREATE INDEX emails_by_resend_of ON emails (team_id, resend_of, id) WHERE resend_of IS NOT NULL;

CREATE TABLE email_contents (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    variables JSONB NOT NULL,
    metadata JSONB NOT NULL,
    html TEXT,
    text TEXT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE TABLE email_attachments (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    filename TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (team_id, email_id, position),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE TABLE email_events (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    recipient TEXT,
    detail JSONB NOT NULL,
    provider_event_id TEXT,
    PRIMARY KEY (team_id, email_id, id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX email_events_provider_event_id ON email_events (team_id, provider_event_id)
WHERE provider_event_id IS NOT NULL;

-- How many messages have which status, by hour of acceptance (hours since 1970) and by template; template_id 0 counts
-- all messages of the hour. Kept in the transaction that changes the message.
CREATE TABLE email_rollups (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    template_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    queued BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    opened BIGINT NOT NULL,
    clicked BIGINT NOT NULL,
    bounced BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    spam BIGINT NOT NULL,
    PRIMARY KEY (team_id, template_id, hour)
);

-- Messages that still have to be sent. pending holds the recipients not yet settled; leased_until is set while a worker
-- holds the row; in_doubt is 1 from just before the message's bytes go out until the outcome is recorded.
CREATE TABLE outbox (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    pending JSONB NOT NULL,
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    lease_id BIGINT,
    in_doubt BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE INDEX outbox_by_run_at ON outbox (run_at);

CREATE TABLE api_requests (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    api_key_id BIGINT,
    user_id BIGINT,
    method TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    response_status BIGINT NOT NULL,
    user_agent TEXT,
    duration_ms BIGINT NOT NULL,
    at BIGINT NOT NULL,
    request_body JSONB NOT NULL,
    response_body JSONB NOT NULL,
    PRIMARY KEY (team_id, id)
);

-- Recipients and subjects, indexed by their trigrams.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE email_search (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    recipients TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE INDEX email_search_recipients ON email_search USING gin (recipients gin_trgm_ops);

CREATE INDEX email_search_subject ON email_search USING gin (subject gin_trgm_ops);
