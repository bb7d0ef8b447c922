-- The oldest version of the tables that programs of before can know and still use these: a migration that adds alone leaves it,
-- one that older programs cannot live with sets it to its own number.
INSERT INTO settings (name, value) VALUES ('serves_since', '43');
