-- What a copy has otherwise than the message that it sends again. One without a row says the same to the same people.
CREATE TABLE resend_changes (
    team_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    -- Whether it went to an address that the message had not.
    is_to_other BOOLEAN NOT NULL,
    -- The names of the variables that were changed, a JSON array.
    variables JSONB NOT NULL,
    -- Whether it was made from the template's version of that time.
    is_current BOOLEAN NOT NULL,
    -- The adapter that it was to go by alone, where one was named.
    adapter_id BIGINT,
    PRIMARY KEY (team_id, email_id),
    FOREIGN KEY (team_id, email_id) REFERENCES emails (team_id, id) ON DELETE CASCADE
);
