-- A team has one default adapter for email, one for text messages and calls, and one web address for the other channels.
DROP INDEX adapters_default;
CREATE UNIQUE INDEX adapters_default
    ON adapters (team_id, (CASE kind WHEN 'http' THEN 2 WHEN 'twilio' THEN 1 WHEN 'vonage' THEN 1 ELSE 0 END))
    WHERE is_default AND deleted_at IS NULL;
