-- Days have rows of their own beside their hours, in UTC: their `hour` is -1 minus the day, counted from 1970, so that a long
-- time is added up from few rows.
INSERT INTO email_rollups
    (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
SELECT team_id, template_id, -1 - hour / 24, SUM(queued), SUM(sent), SUM(delivered), SUM(opened), SUM(clicked),
    SUM(bounced), SUM(failed), SUM(spam)
FROM email_rollups WHERE hour >= 0 GROUP BY team_id, template_id, -1 - hour / 24;
