-- Jobs that send many messages again. A job's messages are chosen when it is made. A program that works at one holds its
-- lease until run_at; without a lease, run_at is when its next message may go. The four counts are those of its messages.
CREATE TABLE resend_jobs (
    team_id BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT,
    user_id BIGINT,
    api_key_id BIGINT,
    made_by TEXT NOT NULL,
    filter_words TEXT,
    filter_url TEXT,
    per_minute BIGINT NOT NULL,
    state TEXT NOT NULL,
    note TEXT,
    waiting BIGINT NOT NULL,
    resent BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    left_out BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    run_at BIGINT NOT NULL,
    lease_id BIGINT,
    PRIMARY KEY (team_id, id)
);

CREATE INDEX resend_jobs_by_run_at ON resend_jobs (run_at, team_id, id) WHERE state = 'running';

-- The messages of a job: what became of each, in words where it was not sent again. known_id is the newest message that said
-- the same and went out when the job was made.
CREATE TABLE resend_items (
    team_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    state TEXT NOT NULL,
    words TEXT,
    known_id BIGINT,
    copy_id BIGINT,
    PRIMARY KEY (team_id, job_id, email_id),
    FOREIGN KEY (team_id, job_id) REFERENCES resend_jobs (team_id, id) ON DELETE CASCADE
);

CREATE INDEX resend_items_waiting ON resend_items (team_id, job_id, email_id) WHERE state = 'waiting';

CREATE UNIQUE INDEX resend_items_copy ON resend_items (team_id, copy_id) WHERE copy_id IS NOT NULL;
