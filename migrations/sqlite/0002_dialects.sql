-- What the Sendwithus, Resend, JetEmail and NotificationAPI dialects add to a message: its channel, the notification it
-- is a part of, scheduled sending, headers, and which kinds of event it has had.

ALTER TABLE emails ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;
ALTER TABLE emails ADD COLUMN notification_id INTEGER;
ALTER TABLE emails ADD COLUMN external_user_id TEXT;
ALTER TABLE emails ADD COLUMN scheduled_at INTEGER;
-- EventSet::bits().
ALTER TABLE emails ADD COLUMN event_set INTEGER NOT NULL DEFAULT 0;

UPDATE emails SET event_set = (
    SELECT COALESCE(SUM(k.bits), 0) FROM (
        SELECT DISTINCT CASE v.kind
            WHEN 'requested' THEN 1 WHEN 'triggered' THEN 2 WHEN 'queued' THEN 4 WHEN 'failed_to_queue' THEN 8
            WHEN 'processed' THEN 16 WHEN 'sent' THEN 32 WHEN 'deferred' THEN 64 WHEN 'failed_to_send' THEN 128
            WHEN 'delivered' THEN 256 WHEN 'opened' THEN 512 WHEN 're_opened' THEN 1024 WHEN 'clicked' THEN 2048
            WHEN 're_clicked' THEN 4096 WHEN 'bounced' THEN 8192 + 1099511627776 WHEN 'dropped' THEN 16384
            WHEN 'failed' THEN 65536 WHEN 'uncertain' THEN 131072 WHEN 'reported_as_spam' THEN 262144
            WHEN 'unsubscribed' THEN 524288 ELSE 0 END AS bits
        FROM email_events v WHERE v.team_id = emails.team_id AND v.email_id = emails.id) k);

CREATE INDEX emails_by_channel ON emails (team_id, channel, status, id) WHERE channel <> 0;

CREATE INDEX emails_by_notification ON emails (team_id, notification_id, id) WHERE notification_id IS NOT NULL;

CREATE INDEX emails_by_provider_message_id ON emails (team_id, provider_message_id)
WHERE provider_message_id IS NOT NULL;

CREATE INDEX emails_by_api_request ON emails (team_id, api_request_id, id) WHERE api_request_id IS NOT NULL;

-- template_id -1 - channel counts a channel's messages of the hour; until now all were e-mail, channel 0.
INSERT INTO email_rollups
    (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
SELECT team_id, -1, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam
FROM email_rollups WHERE template_id = 0;

ALTER TABLE email_contents ADD COLUMN headers TEXT NOT NULL DEFAULT '[]';

ALTER TABLE email_attachments ADD COLUMN content_id TEXT;

-- One default adapter for e-mail and one for the other channels.
DROP INDEX adapters_default;
CREATE UNIQUE INDEX adapters_default ON adapters (team_id, kind) WHERE is_default AND deleted_at IS NULL;

CREATE TABLE notifications (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    external_user_id TEXT,
    api_request_id INTEGER,
    warnings TEXT NOT NULL,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

-- What was accepted under an idempotency key: email_ids in the order of the request.
CREATE TABLE idempotency_keys (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    email_ids TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, endpoint, key_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expires_at ON idempotency_keys (expires_at);

-- Bodies apart from the row, so that a list never reads them.
CREATE TABLE api_request_bodies (
    team_id INTEGER NOT NULL,
    api_request_id INTEGER NOT NULL,
    request_body TEXT NOT NULL,
    response_body TEXT NOT NULL,
    PRIMARY KEY (team_id, api_request_id),
    FOREIGN KEY (team_id, api_request_id) REFERENCES api_requests (team_id, id) ON DELETE CASCADE
) STRICT;

INSERT INTO api_request_bodies (team_id, api_request_id, request_body, response_body)
SELECT team_id, id, request_body, response_body FROM api_requests;

ALTER TABLE api_requests DROP COLUMN request_body;
ALTER TABLE api_requests DROP COLUMN response_body;

INSERT INTO role_permissions (team_id, role, permission)
SELECT t.id, g.role, g.permission
FROM teams t
CROSS JOIN (
    SELECT 'owner' AS role, 'events:write' AS permission
    UNION ALL SELECT 'admin', 'events:write'
    UNION ALL SELECT 'owner', 'requests:view'
    UNION ALL SELECT 'admin', 'requests:view'
    UNION ALL SELECT 'member', 'requests:view'
) g;
