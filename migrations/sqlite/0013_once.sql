-- What a request was answered that came with an idempotency key, for a repetition to be answered the same. NULL where an
-- earlier version accepted it.
ALTER TABLE idempotency_keys ADD COLUMN answer_status INTEGER;
ALTER TABLE idempotency_keys ADD COLUMN answer_body TEXT;

-- The ways that a notification was to go and does not, a bit each: 1 e-mail, 2 SMS, 4 call, 8 push, 16 web push, 32 in-app.
ALTER TABLE notifications ADD COLUMN ignored_ways INTEGER NOT NULL DEFAULT 0;

UPDATE notifications SET ignored_ways =
    CASE WHEN CAST(warnings AS TEXT) LIKE '%"Email was left out: %' THEN 1 ELSE 0 END
    + CASE WHEN CAST(warnings AS TEXT) LIKE '%"SMS was left out: %' THEN 2 ELSE 0 END
    + CASE WHEN CAST(warnings AS TEXT) LIKE '%"Call was left out: %' THEN 4 ELSE 0 END
    + CASE WHEN CAST(warnings AS TEXT) LIKE '%"Push was left out: %' THEN 8 ELSE 0 END
    + CASE WHEN CAST(warnings AS TEXT) LIKE '%"Web push was left out: %' THEN 16 ELSE 0 END
    + CASE WHEN CAST(warnings AS TEXT) LIKE '%"In-app was left out: %' THEN 32 ELSE 0 END
WHERE CAST(warnings AS TEXT) LIKE '% was left out: %';
