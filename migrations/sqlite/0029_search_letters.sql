-- Each team's letters are its own in the index of search. Messages below this id are in it in plain letters yet; the program
-- puts them in again while it serves, the newest first.
INSERT INTO settings (name, value)
SELECT 'search_letters_from', CAST(newest + 1 AS TEXT)
FROM (SELECT MAX(rowid) AS newest FROM email_search)
WHERE newest IS NOT NULL;
