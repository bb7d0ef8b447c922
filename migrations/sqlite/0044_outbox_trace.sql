-- The trace that a message was accepted in, as W3C's traceparent, so that the attempts at it belong to it. Empty where nobody gathers traces.
ALTER TABLE outbox ADD COLUMN trace TEXT;
