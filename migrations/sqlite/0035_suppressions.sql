-- Addresses that a team does not write to any more, by the form in which recipients are compared.
CREATE TABLE suppressions (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    address_key TEXT NOT NULL,
    id INTEGER NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The message that brought it here, if one did.
    email_id INTEGER,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, address_key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX suppressions_newest ON suppressions (team_id, id);

-- Who sees adapters sees them; owners, and admins who may change adapters, may change them.
INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'suppressions:view' FROM role_permissions WHERE permission = 'adapters:view';

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'suppressions:update' FROM role_permissions
WHERE permission = 'adapters:update' AND role IN ('owner', 'admin');
