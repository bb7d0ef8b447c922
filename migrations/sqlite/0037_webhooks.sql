-- Addresses of a team's own programs that are told what becomes of messages. The address and what posts are signed by are
-- sealed; the host is shown. One that was removed keeps its row until its deliveries are gone.
CREATE TABLE webhooks (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    shape TEXT NOT NULL,
    -- The kinds of events that it wants; an empty list is every kind.
    kinds TEXT NOT NULL,
    sealed TEXT NOT NULL,
    is_on INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    succeeded_at INTEGER,
    -- The first failure after which nothing was taken.
    failing_since INTEGER,
    disabled_at INTEGER,
    disabled_reason TEXT,
    deleted_at INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

-- What such an address is told: one row an event and address, written with the event. The id is the event's.
CREATE TABLE webhook_deliveries (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    webhook_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    -- The message; none for a test.
    email_id INTEGER,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    -- When the next try is due or a lease ends; none where no try follows.
    run_at INTEGER,
    lease_id INTEGER,
    -- Whether the last try failed.
    has_failed INTEGER NOT NULL DEFAULT 0,
    tried_at INTEGER,
    duration_ms INTEGER,
    status INTEGER,
    answer TEXT,
    PRIMARY KEY (team_id, webhook_id, id)
) STRICT;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (team_id, webhook_id, run_at, id) WHERE run_at IS NOT NULL;
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (team_id, webhook_id, id) WHERE has_failed;
CREATE INDEX webhook_deliveries_by_email ON webhook_deliveries (team_id, email_id, id) WHERE email_id IS NOT NULL;

-- Databases of before can hold grants of these permissions, of when nothing asked for them.
DELETE FROM role_permissions WHERE permission IN (
    'webhooks:view', 'webhooks:create', 'webhooks:update', 'webhooks:delete'
);

-- Who sees adapters sees them; owners, and admins who may change adapters, may change them.
INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'webhooks:view' FROM role_permissions WHERE permission = 'adapters:view';

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'webhooks:create' FROM role_permissions
WHERE permission = 'adapters:create' AND role IN ('owner', 'admin');

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'webhooks:update' FROM role_permissions
WHERE permission = 'adapters:update' AND role IN ('owner', 'admin');

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'webhooks:delete' FROM role_permissions
WHERE permission = 'adapters:delete' AND role IN ('owner', 'admin');
