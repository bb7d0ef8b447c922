-- Search finds words of one and two letters too. Each message is in the index by all pieces of three bytes of what is searched of
-- it, each with the id of its team before it, and under a number: numbers of a team are in the order of its messages' ids, and
-- close together, which ids are not, so that the index is small. The indexes of before keep what is not yet put into this one;
-- the program does that while it serves, the newest first.
CREATE VIRTUAL TABLE search_grams USING fts5(
    recipients,
    subject,
    metadata,
    variables,
    content = '',
    contentless_delete = 1,
    tokenize = 'ascii'
);

-- The message of each number.
CREATE TABLE search_ids (
    number INTEGER PRIMARY KEY,
    email_id INTEGER NOT NULL
);

-- The number of each message.
CREATE TABLE search_numbers (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (team_id, email_id)
) WITHOUT ROWID;

-- The same of messages that came so late that no number was left between those of their neighbours. Their numbers are in no
-- order.
CREATE TABLE search_late (
    team_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (team_id, email_id)
) WITHOUT ROWID;

DELETE FROM settings WHERE name = 'search_letters_from';
