-- Jobs that send many messages again. A job's messages are chosen when it is made. A program that works at one holds its
-- lease until run_at; without a lease, run_at is when its next message may go. The four counts are those of its messages.
CREATE TABLE resend_jobs (
    team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    reason TEXT,
    user_id INTEGER,
    api_key_id INTEGER,
    made_by TEXT NOT NULL,
    filter_words TEXT,
    filter_url TEXT,
    per_minute INTEGER NOT NULL,
    state TEXT NOT NULL,
    note TEXT,
    waiting INTEGER NOT NULL,
    resent INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    left_out INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    run_at INTEGER NOT NULL,
    lease_id INTEGER,
    PRIMARY KEY (team_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX resend_jobs_by_run_at ON resend_jobs (run_at, team_id, id) WHERE state = 'running';

-- The messages of a job: what became of each, in words where it was not sent again. known_id is the newest message that said
-- the same and went out when the job was made.
CREATE TABLE resend_items (
    team_id INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    words TEXT,
    known_id INTEGER,
    copy_id INTEGER,
    PRIMARY KEY (team_id, job_id, email_id),
    FOREIGN KEY (team_id, job_id) REFERENCES resend_jobs (team_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX resend_items_waiting ON resend_items (team_id, job_id, email_id) WHERE state = 'waiting';

CREATE UNIQUE INDEX resend_items_copy ON resend_items (team_id, copy_id) WHERE copy_id IS NOT NULL;
