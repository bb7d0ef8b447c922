-- Legal holds, people who are forgotten, and who may do either.

-- What of a team is kept, whatever its retention says and whoever asks to delete it.
CREATE TABLE holds (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- team, address, range or message.
    scope TEXT NOT NULL,
    address TEXT,
    address_key TEXT,
    -- The first id that it covers, and the first one after them.
    from_id INTEGER,
    until_id INTEGER,
    email_id INTEGER,
    placed_by TEXT NOT NULL,
    lifted_at INTEGER,
    lifted_by TEXT,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

-- People who are being forgotten, and who were. The address is sealed while the work lasts, and gone afterwards.
CREATE TABLE forgettings (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    address_hash TEXT NOT NULL,
    -- What stands where the address stood.
    placeholder TEXT NOT NULL,
    state TEXT NOT NULL,
    -- How far it came: the table and the key of the row that was looked at last.
    place TEXT NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0,
    others INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    -- When it goes on, or a lease ends; none where it has ended.
    run_at INTEGER,
    lease_id INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX forgettings_by_run_at ON forgettings (run_at, team_id, id) WHERE run_at IS NOT NULL;

-- Addresses that are not written to any more and that nobody can read: their HMAC with a key that is not in the database.
CREATE TABLE forgotten_addresses (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    address_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, address_hash)
) STRICT, WITHOUT ROWID;

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'privacy:export' FROM role_permissions
WHERE permission = 'team:update' AND role IN ('owner', 'admin')
UNION ALL
SELECT team_id, role, 'privacy:forget' FROM role_permissions
WHERE permission = 'team:update' AND role IN ('owner', 'admin')
UNION ALL
SELECT team_id, role, 'holds:update' FROM role_permissions
WHERE permission = 'team:update' AND role IN ('owner', 'admin');
