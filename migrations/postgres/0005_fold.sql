-- What a message's events come to, whatever their order. told_by says which events told the reason, the provider's id and,
-- of a message known from events only, sender, subject and channel: a JSON object, NULL where none did.
ALTER TABLE emails ADD COLUMN told_by JSONB;

-- Other names of a message: ids that it had before an earlier event became known or before it was found to be the same as
-- another, and further ids that providers gave it.
CREATE TABLE email_aliases (
    team_id BIGINT NOT NULL,
    alias TEXT NOT NULL,
    email_id BIGINT NOT NULL,
    PRIMARY KEY (team_id, alias, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);

CREATE INDEX email_aliases_by_email ON email_aliases (team_id, email_id);
