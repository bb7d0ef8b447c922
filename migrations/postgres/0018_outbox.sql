-- The outbox as a queue for each adapter of each team, so that one that is full stops no other. A message that waits for an
-- adapter is in the queue of its channel, which no adapter has: -1 for e-mail, and so on.
ALTER TABLE outbox ADD COLUMN adapter_id BIGINT NOT NULL DEFAULT 0;

UPDATE outbox SET adapter_id = (
    SELECT COALESCE(e.adapter_id, -1 - e.channel) FROM emails e
    WHERE e.team_id = outbox.team_id AND e.id = outbox.email_id);

DROP INDEX outbox_by_run_at;

CREATE INDEX outbox_by_queue ON outbox (team_id, adapter_id, run_at, email_id);
