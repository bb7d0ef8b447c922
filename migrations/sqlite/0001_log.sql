-- Times are microseconds since 1970. Ids are milliseconds since 1970 << 20 plus a sequence: ordered by time.

CREATE TABLE sessions (
    id_hash TEXT NOT NULL PRIMARY KEY,
    data TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_expires_at ON sessions (expires_at);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL CONSTRAINT users_email_key UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    time_zone_chosen INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE teams (
    id INTEGER NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL CONSTRAINT teams_slug UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_user ON memberships (user_id, team_id);

CREATE TABLE role_permissions (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (team_id, role, permission)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT NOT NULL CONSTRAINT invites_token_hash UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, id),
    CONSTRAINT invites_email_key UNIQUE (team_id, email_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE rate_limits (
    subject TEXT NOT NULL PRIMARY KEY,
    window_ends_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL CONSTRAINT api_keys_key_hash UNIQUE,
    scopes TEXT NOT NULL,
    created_by INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE templates (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    current_version_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX templates_name ON templates (team_id, name) WHERE deleted_at IS NULL;

CREATE TABLE template_versions (
    team_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    subject TEXT NOT NULL,
    html TEXT,
    text TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, id),
    CONSTRAINT template_versions_version UNIQUE (team_id, template_id, version),
    FOREIGN KEY (team_id, template_id) REFERENCES templates (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE adapters (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_address TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX adapters_name ON adapters (team_id, name) WHERE deleted_at IS NULL;

CREATE UNIQUE INDEX adapters_default ON adapters (team_id) WHERE is_default AND deleted_at IS NULL;

-- The log. Clustered by (team_id, id): a page of it is one walk. status is EmailStatus::code(), status_rank the rank of
-- the strongest event.
CREATE TABLE emails (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    template_id INTEGER,
    template_version_id INTEGER,
    adapter_id INTEGER,
    api_key_id INTEGER,
    api_request_id INTEGER,
    recipients TEXT NOT NULL,
    from_address TEXT NOT NULL,
    reply_to TEXT,
    subject TEXT NOT NULL,
    tags TEXT NOT NULL,
    status INTEGER NOT NULL,
    status_rank INTEGER NOT NULL,
    provider_message_id TEXT,
    error_message TEXT,
    has_pdf_attachment INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    resend_of INTEGER,
    sent_at INTEGER,
    delivered_at INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX emails_by_status ON emails (team_id, status, id);

CREATE INDEX emails_by_template ON emails (team_id, template_id, status, id) WHERE template_id IS NOT NULL;

CREATE INDEX emails_by_resend_of ON emails (team_id, resend_of, id) WHERE resend_of IS NOT NULL;

CREATE TABLE email_contents (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    variables TEXT NOT NULL,
    metadata TEXT NOT NULL,
    html TEXT,
    text TEXT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE email_attachments (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    filename TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (team_id, email_id, position),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE email_events (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    recipient TEXT,
    detail TEXT NOT NULL,
    provider_event_id TEXT,
    PRIMARY KEY (team_id, email_id, id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX email_events_provider_event_id ON email_events (team_id, provider_event_id)
WHERE provider_event_id IS NOT NULL;

-- How many messages have which status, by hour of acceptance (hours since 1970) and by template; template_id 0 counts
-- all messages of the hour. Kept in the transaction that changes the message.
CREATE TABLE email_rollups (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    template_id INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    clicked INTEGER NOT NULL,
    bounced INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    spam INTEGER NOT NULL,
    PRIMARY KEY (team_id, template_id, hour)
) STRICT, WITHOUT ROWID;

-- Messages that still have to be sent. pending holds the recipients not yet settled; leased_until is set while a worker
-- holds the row; in_doubt is 1 from just before the message's bytes go out until the outcome is recorded.
CREATE TABLE outbox (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    pending TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease_id INTEGER,
    in_doubt INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_by_run_at ON outbox (run_at);

CREATE TABLE api_requests (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    api_key_id INTEGER,
    user_id INTEGER,
    method TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    response_status INTEGER NOT NULL,
    user_agent TEXT,
    duration_ms INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request_body TEXT NOT NULL,
    response_body TEXT NOT NULL,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

-- Recipients and subjects by their trigrams; the row id is the message's id.
CREATE VIRTUAL TABLE email_search USING fts5(
    recipients,
    subject,
    content = '',
    contentless_delete = 1,
    tokenize = 'trigram'
);
