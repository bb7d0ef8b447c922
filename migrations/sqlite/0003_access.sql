-- Who may do what: custom roles, second factors, OpenID accounts, sessions that can be listed, keys that end, masking,
-- and the audit log.

-- Roles that a team made. The built-in ones (owner, admin, member, viewer) have no row. role is RoleId's text, as it
-- stands in memberships, invites and role_permissions.
CREATE TABLE roles (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, role),
    CONSTRAINT roles_name UNIQUE (team_id, name_key)
) STRICT, WITHOUT ROWID;

-- What the team demands of its members, and what it shows to those who may not reveal.
ALTER TABLE teams ADD COLUMN demands_two_factor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE teams ADD COLUMN masks_addresses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE teams ADD COLUMN reveals_with_reason INTEGER NOT NULL DEFAULT 0;

-- Memberships that follow the groups of an OpenID provider.
ALTER TABLE memberships ADD COLUMN follows_groups INTEGER NOT NULL DEFAULT 0;

ALTER TABLE invites ADD COLUMN invited_by INTEGER;

-- Names of variables whose values nobody sees without giving a reason.
ALTER TABLE templates ADD COLUMN masked_variables TEXT NOT NULL DEFAULT '[]';

-- The subject as it was sent, where that in the log hides a masked variable.
ALTER TABLE email_contents ADD COLUMN subject TEXT;

-- password_hash is empty for an account that only an OpenID provider opens. totp_secret is sealed; it counts from
-- totp_confirmed_at on. totp_step is the last 30-second step whose code was used.
ALTER TABLE users ADD COLUMN totp_secret TEXT;
ALTER TABLE users ADD COLUMN totp_confirmed_at INTEGER;
ALTER TABLE users ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;

CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE password_resets (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX password_resets_by_user ON password_resets (user_id);

-- Accounts of OpenID providers: the same person, under the name that the provider gives.
CREATE TABLE openid_accounts (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX openid_accounts_by_user ON openid_accounts (user_id);

-- Who is logged in, and from where; all NULL before log-in.
ALTER TABLE sessions ADD COLUMN user_id INTEGER;
ALTER TABLE sessions ADD COLUMN team_id INTEGER;
ALTER TABLE sessions ADD COLUMN began_at INTEGER;
ALTER TABLE sessions ADD COLUMN last_seen_at INTEGER;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT;

CREATE INDEX sessions_by_user ON sessions (user_id) WHERE user_id IS NOT NULL;

-- Sessions of before hold their account in data alone; log-in is asked for once more.
DELETE FROM sessions;

-- dialects is a list of names, NULL for all; rate_limit in requests a second, NULL for the server's. The previous secret
-- counts until previous_ends_at.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE api_keys ADD COLUMN dialects TEXT;
ALTER TABLE api_keys ADD COLUMN rate_limit INTEGER;
ALTER TABLE api_keys ADD COLUMN rotated_at INTEGER;
ALTER TABLE api_keys ADD COLUMN previous_hash TEXT;
ALTER TABLE api_keys ADD COLUMN previous_ends_at INTEGER;

CREATE UNIQUE INDEX api_keys_previous_hash ON api_keys (previous_hash) WHERE previous_hash IS NOT NULL;

-- Every change and who made it. A row's hash is over its own texts and the hash of the row before it, so that one that
-- was removed or altered shows; audit_heads holds the newest. A team's rows outlive it.
CREATE TABLE audit_log (
    team_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    id INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    target_name TEXT,
    before TEXT,
    after TEXT,
    reason TEXT,
    address TEXT,
    user_agent TEXT,
    hash TEXT NOT NULL,
    PRIMARY KEY (team_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_by_action ON audit_log (team_id, action, sequence);

CREATE INDEX audit_log_by_actor ON audit_log (team_id, actor_id, sequence);

CREATE TABLE audit_heads (
    team_id INTEGER NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_log_keeps_texts BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

INSERT INTO role_permissions (team_id, role, permission)
SELECT t.id, g.role, g.permission
FROM teams t
CROSS JOIN (
    SELECT 'owner' AS role, 'logs:reveal' AS permission
    UNION ALL SELECT 'admin', 'logs:reveal'
    UNION ALL SELECT 'member', 'logs:reveal'
    UNION ALL SELECT 'owner', 'logs:export'
    UNION ALL SELECT 'admin', 'logs:export'
    UNION ALL SELECT 'owner', 'audit:view'
    UNION ALL SELECT 'admin', 'audit:view'
    UNION ALL SELECT 'owner', 'alerts:manage'
    UNION ALL SELECT 'admin', 'alerts:manage'
) g;
