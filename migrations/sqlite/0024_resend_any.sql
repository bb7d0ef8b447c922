-- Owners, and admins who may resend, may resend what did not fail as well: `logs:resend-any`.

INSERT INTO role_permissions (team_id, role, permission)
SELECT team_id, role, 'logs:resend-any'
FROM role_permissions
WHERE permission = 'logs:resend'
  AND role IN ('owner', 'admin');
