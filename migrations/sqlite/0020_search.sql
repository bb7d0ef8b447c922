-- Search finds names, metadata and variables too, and letters without their accents. The index of before keeps what is not
-- yet put into the new one; the program does that while it serves, the newest first.
ALTER TABLE email_search RENAME TO email_search_before;

-- Recipients and their names, subjects, and what metadata and variables hold, by their trigrams; the row id is the message's.
CREATE VIRTUAL TABLE email_search USING fts5(
    recipients,
    subject,
    metadata,
    variables,
    content = '',
    contentless_delete = 1,
    tokenize = 'trigram'
);

-- The first id of the messages whose variables were put into the index with all variables left out that the template marks.
ALTER TABLE templates ADD COLUMN marked_from INTEGER NOT NULL DEFAULT 0;
