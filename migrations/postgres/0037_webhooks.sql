-- Addresses of a team's own programs that are told what becomes of messages. The address and what posts are signed by are
-- sealed; the host is shown. One that was removed keeps its row until its deliveries are gone.
CREATE TABLE webhooks (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    shape TEXT NOT NULL,
    -- The kinds of events that it wants; an empty list is every kind.
    kinds JSONB NOT NULL,
    sealed TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    succeeded_at BIGINT,
    -- The first failure after which nothing was taken.
    failing_since BIGINT,
    disabled_at BIGINT,
    disabled_reason TEXT,
    deleted_at BIGINT,
    PRIMARY KEY (team_id, id)
);

-- What such an address is told: one row an event and address, written with the event. The id is the event's.
CREATE TABLE webhook_deliveries (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    webhook_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    -- The message; none for a test.
    email_id BIGINT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    -- When the next try is due or a lease ends; none where no try follows.
    run_at BIGINT,
    lease_id BIGINT,
    -- Whether the last try failed.
    has_failed BOOLEAN NOT NULL DEFAULT FALSE,
    tried_at BIGINT,
    duration_ms BIGINT,
    status BIGINT,
    answer TEXT,
    PRIMARY KEY (team_id, webhook_id, id)
);

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
