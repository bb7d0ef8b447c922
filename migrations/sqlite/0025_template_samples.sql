-- The sample values that a person last saw a template with, a JSON object as it was typed. Each person's are their own: they may
-- be copied from a message that others do not see. They go with the person's membership, and with the template.
CREATE TABLE template_samples (
    team_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    sample TEXT NOT NULL,
    PRIMARY KEY (team_id, template_id, user_id),
    FOREIGN KEY (team_id, template_id) REFERENCES templates (team_id, id) ON DELETE CASCADE,
    FOREIGN KEY (team_id, user_id) REFERENCES memberships (team_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX template_samples_by_user ON template_samples (team_id, user_id);
