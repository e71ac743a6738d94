"""Every event that driftd logs, declared once: what it means, its fields, and what a person does about it.

`docs/events.md` and what needs a person in `docs/operations.md` are generated from here (`make docs`); a test compares
with what the code logs. Names and fields are stable: a field may be added, none changes its meaning.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """`when` it is logged, as Markdown; its `fields` by name; the `action` that a warning or an error asks for; and the
    events, by name, whose trouble it `ends`, of its model or of all."""

    name: str
    level: str
    when: str
    fields: str = ""
    action: str = ""
    ends: str = ""


DISK = (
    "nothing, unless it repeats: a full or failing disk, another process that holds it, or damage (`driftd doctor`, "
    "then [restore](backup.md#restore))"
)

# fmt: off
EVENTS = (
    Event("service_started", "info", "the process began; `only` is `server` where it is `driftd serve`",
        "driftd pid config listen models only",
        ends="state_lost state_hung part_hung disk_low folder_hung ledger_locked ledger_awaited notify_failed "
             "source_failed store_awaited store_lacks store_unswept mlflow_failed prefix_awaited"),
    Event("service_ready", "info", "every server serves the last promotions", "seconds url"),
    Event("service_stopping", "info", "a signal asked it to end"),
    Event("service_stopped", "info", "all has ended", "seconds"),
    Event("service_failed", "error", "a part failed in a way that ends the service, or its start did; the exit status "
        "is not 0", "error", "look at `error`; if it repeats, `driftd doctor`, and report it"),
    Event("config_reloaded", "info", "a reload applied a changed configuration", "changed removed"),
    Event("config_refused", "error", "a reload found mistakes, or its servers did not come up; nothing changed",
        "reason", "mend what `reason` names, `systemctl reload driftd`"),
    Event("token_file_open", "warning", "at the start: others than owner and group may read or write a file of tokens, "
        "or of a destination's URL or key", "file mode", "`chmod o= FILE`, and new ones if somebody may have"),
    Event("data_dir_missing", "error", "a model's data folder does not exist and cannot be made", "folder error",
        "mount or make it, readable for the service's user"),
    Event("groups_failed", "warning", "serving and training could not be put into control groups of their own; nice "
        "alone tells them apart", "reason", "look at `reason`; is `Delegate=` overridden?"),
    Event("part_hung", "error", "a part of the service is silent: systemd's watchdog is not pinged any more",
        "part silent_s", "report it with the stacks that follow in the journal"),
    Event("state_hung", "error", "the state folder does not answer, as where its mount is dead: the work stands still, "
        "the servers go on, and systemd is kept from ending the service, which would end them, too", "folder",
        "see whether the mount is there (`ls` hangs, too) and mount it again; the work goes on by itself"),
    Event("state_answered", "info", "the state folder answers again", "folder",
        ends="state_hung"),
    Event("part_recovered", "info", "a part that was silent is not any more", "part",
        ends="part_hung"),
    Event("log_dropped", "warning", "the journal did not take some events, and none came after them", "dropped_before",
        "is journald overloaded or stopped?"),
    Event("code_warned", "info", "a library, an adopted pipeline or code of your own raised a warning of Python's, as "
        "scikit-learn does; each text is told once in a process, at most a hundred", "kind text place"),
    Event("log_file_failed", "warning", "a process cannot write the file of `[service.log]`; the next line that it "
        "takes has `dropped_before`", "file reason", "make room, or let the service's user write there"),
    Event("config_needs_restart", "warning", "these keys of [service] changed and take effect at the next start",
        "keys", "`systemctl restart driftd` when it suits"),
    Event("ledger_failed", "error", "control could not read or write the ledger for a part of its work, and tries "
        "again; `hint` where it is damaged", "part error hint", DISK),
    Event("ledger_unreadable", "error", "what is promoted could not be read, of the ledger or beside it: servers go "
        "on with what they serve, and it is tried again", "reason", DISK),
    Event("ledger_locked", "warning", "another process has held the ledger's lock for long: serving goes on, and all "
        "that is to be written waits", "seconds file",
        "nothing, if it is a copy or a check; else find it: `fuser -v FILE`"),
    Event("ledger_unlocked", "info", "the ledger can be written again, and the work goes on", "seconds",
        ends="ledger_locked ledger_awaited"),
    Event("ledger_awaited", "warning", "at the start: the ledger is locked, its database cannot be reached, or of "
        "`driftd serve` it is of an older driftd; what is described beside it is served meanwhile", "file reason",
        "as for `ledger_locked`; of a database [doctor](ledger.md#looking-backup-and-restore) looks closer; where the "
        "schema is older, upgrade the service that writes it"),
    Event("lease_acquired", "info", "with a ledger in a database: this host [leads](failover.md) from here on, under a "
        "term that no other has", "holder term",
        ends="lease_lost"),
    Event("leader_gone", "warning", "this host took over, because the lease of the one that led ran out: it was "
        "killed, stands still, or is cut off from the database", "holder term",
        "see to that host; once it is back it stands by"),
    Event("lease_held_back", "error", "this host leads, and does not do what who leads is there for: it stands still, "
        "or cannot use the store. It lets its lease run out, so that a host that stands by may take over",
        "term reason", "look at the disk of `state_dir` on this host, or at what is between it and the store"),
    Event("lease_kept", "info", "that is over, and no other host took over", "term", ends="lease_held_back"),
    Event("lease_lost", "warning", "another host took over; this one ends what it began, and stands by", "holder term "
        "reason", "find out why this host was not heard of for the length of `[service] lease`: did it stand still, or "
        "was the database cut off from it? `lease_held_back` says what else it was", ends="lease_held_back"),
    Event("standing_by", "info", "another host leads: this one serves what is promoted there, and takes over once the "
        "lease of that one is over", "leader term"),
    Event("store_awaited", "warning", "the [object store](store.md) cannot be used: serving goes on, and what is to be "
        "committed waits", "reason", "`driftd doctor` looks at it; work goes on by itself once it answers"),
    Event("store_reached", "info", "the object store answers again, and the work goes on", "seconds",
        ends="store_awaited"),
    Event("store_fetched", "info", "at the start, or while another host leads: the state folder was no copy of what "
        "this ledger names, and has its files now", "files bytes seconds"),
    Event("store_fetching", "info", "every ten seconds of a fetch from the object store: how far it is",
        "files of_files bytes of_bytes"),
    Event("follower_silent", "warning", "a [host without control](store.md#servers-on-other-hosts) has said nothing of "
        "itself for a minute", "host url seconds", "does it run, and does it reach the object store?"),
    Event("follower_heard", "info", "that host says again how it is", "host url", ends="follower_silent"),
    Event("upload_delayed", "warning", "on a host without control: what its servers wrote down cannot be put into the "
        "object store now, and waits on its disk", "reason", "`driftd doctor` there looks at the store; the host "
        "must be allowed to put objects below `uploads/`"),
    Event("upload_damaged", "error", "an object that another host uploaded is not what its name says: it and what that "
        "host uploads after it are not taken in", "model object", "delete the object; what it held is lost"),
    Event("store_lacks", "error", "files that the ledger names are not in the object store, or are damaged there; the "
        "service goes on without them", "files first",
        "bring them back from older versions of the bucket, or `driftd forget` them and drop them again"),
    Event("store_swept", "info", "files that the ledger names no more went from the object store, and those of its "
        "files that had gone from there were put again", "files put", ends="store_unswept"),
    Event("store_unswept", "warning", "files that the ledger names no more cannot be deleted from the object store: "
        "whoever is to be [forgotten](forgetting.md) is not yet gone from it", "reason",
        "let the store's user delete in it; it is tried again by itself"),
    Event("state_lost", "error", "the state folder is gone or cannot be written: nothing is taken in or trained, what "
        "is in memory is served on", "reason", "bring the mount or the disk back; `state_back` follows by itself. "
        "[More](backup.md#when-the-ledger-is-refused)"),
    Event("state_back", "info", "the state folder is there again, and the work goes on", "folder",
        ends="state_lost"),
    Event("rows_pulled", "info", "new rows of a model's [database](sources.md) are a data file, up to that watermark",
        "file rows watermark seconds"),
    Event("source_failed", "warning", "a model's [database](sources.md) cannot be asked for new rows, or what was "
        "pulled cannot be taken in: it is tried again, less and less often; told once while the reason is the same",
        "reason", "mend what `reason` says; `driftd pull M` tries it at once, `driftd doctor` looks"),
    Event("source_recovered", "info", "new rows come again", "seconds",
        ends="source_failed"),
    Event("file_seen", "info", "a file is new or changed, and not yet settled", "file bytes"),
    Event("file_unfinished", "info", "a file seems to be still written: it is taken once it is whole, or has not "
        "changed for ten settle times", "file reason"),
    Event("settle_learned", "info", "a file paused `pause_s` seconds while it was written: files of this folder "
        "wait `settle_s` seconds from now on ([why](data-files.md#files-that-are-still-written))",
        "file pause_s settle_s"),
    Event("file_accepted", "info", "a file's rows are in (`predictions/TIME`: live traffic, `source/TIME`: of a "
        "database); `hint` where the target seems misspelt, `notes` say how else it was read; of labels, so many "
        "`joined` a row that is there",
        "file kind rows labelled_rows rejected joined hint notes"),
    Event("labels_unjoined", "warning", "few labels of a file find a row by their id, or `alike` ids are written "
        "otherwise in rows; of feedback at most one line an hour", "file labels joined alike reason",
        "`reason` says what likely happened to the ids; drop a corrected file, or wait where the rows come later"),
    Event("labels_not_counted", "warning", "how many labels of a file find their row could not be counted; they count "
        "all the same", "reason", "nothing, unless it repeats: then `reason`"),
    Event("file_duplicate", "info", "a file's content is known under another name", "file duplicate_of"),
    Event("file_refused", "warning", "a file is beyond repair, or no file at all", "file reason",
        "look at `reason`; drop a corrected file under any name"),
    Event("prefix_awaited", "warning", "the [object store](data-files.md#data-in-an-object-store) of a model's data "
          "cannot be asked: serving goes on, and its new objects wait; told once until it answers", "prefix reason",
          "`driftd doctor` looks at it; it is tried again each minute, `driftd pull M` tries it at once"),
    Event("prefix_reached", "info", "the object store of a model's data answers again", "prefix seconds",
          ends="prefix_awaited"),
    Event("file_unread", "warning", "a file in the data folder that is no data file by its name, or that needs a "
        "package that is not installed (logged once, of the first 20)", "file reason", "see `reason`; other files "
        "belong into another folder"),
    Event("formats_unclear", "warning", "numbers or dates of a file can be read in more than one way, or not at all: "
        "`reason` says how they were read and which key decides (once a column while the service runs)", "file reason",
        "set that key of [[models.M.intake]](data-files.md#local-formats)"),
    Event("file_held", "warning", "a file [looks poisoned](suspicious-files.md), or labels contradict earlier ones: "
        "it was checked and teaches nobody",
        "file rows kinds reason release forget", "look at it: `driftd release FILE` or `driftd forget FILE`"),
    Event("file_released", "info", "the same kind of doubt persisted: a held file may teach after all",
        "file kinds files"),
    Event("suspicion_failed", "error", "whether a file looks poisoned could not be judged; it is not held",
        "file reason", "look at `reason`; `driftd doctor`"),
    Event("file_delayed", "warning", "a file could not be taken in now, and will be tried again", "file reason",
        "nothing, unless it repeats: then `reason`"),
    Event("rows_quarantined", "warning", "some rows of a file were set aside; `hint` names the key that may let "
        "them in", "file rows first hint", "`first` names one; a producer may have changed"),
    Event("people_forgotten", "info", "`driftd forget --id` is [done](forgetting.md): so many people, by a column, and "
        "so many rows of files that were rewritten; never who", "column people rows files seconds"),
    Event("people_forgetting", "info", "the same is under way: so many of the files that may hold rows of theirs were "
        "looked at", "files of"),
    Event("forgotten_rows_dropped", "info", "rows of people who are [forgotten](forgetting.md) were left out of a file "
        "that was taken in; `reason` where nothing else was in it", "file rows reason"),
    Event("classes_withheld", "warning", "a file's labels have classes that do not count (`classes`: rows by class): "
        "[new, mistyped or undeclared](data-files.md#classes)", "file classes reason way_out",
        "`way_out` says it: correct the file, or `driftd approve --class CLASS`"),
    Event("schema_inferred", "info", "the first file fixed the columns, and the "
        "[local formats](data-files.md#local-formats) that its texts are written in; `not_learned` tells which columns "
        "only name or date their rows, and why: declare [models.M.columns] with `feature = true` to learn from one",
        "file columns formats not_learned"),
    Event("backlog_growing", "warning", "many files wait", "files", "nothing after a backfill; else fewer or larger "
        "files"),
    Event("backlog_progress", "info", "half a minute of taking waiting files in: so many are left",
        "files per_second seconds_left"),
    Event("disk_low", "error", "less than `min_free` of [service] is left, or hardly an inode (`free_inodes`): no file "
        "is taken in and no stage begins; `waiting_file` or `waiting_stage` tells what waits",
        "free_bytes needed_bytes free_inodes waiting_file waiting_stage",
        "free some space, or where `free_inodes` is named remove files (`df -i`); `disk_ok` follows by itself"),
    Event("disk_ok", "info", "there is room again", "free_bytes",
        ends="disk_low"),
    Event("watch_missed", "warning", "a rescan found files of which the watch said nothing; the watch is begun again "
        "(told once)", "files first hint", 'on a shared folder that other machines write to, set `intake.watch = '
        '"polling"`'),
    Event("watch_failed", "warning", "events of the folder cannot be had: rescans find files meanwhile", "folder error",
        'raise `fs.inotify.max_user_watches` or `max_user_instances`, or set `intake.watch = "polling"`'),
    Event("folder_hung", "warning", "a look at the data folder has not ended for half a minute, as where a mount is "
        "dead; other models and the answers go on", "folder", "see whether the mount is there (`ls` hangs, too) and "
        "mount it again; nothing is lost, and the work goes on by itself"),
    Event("folder_answered", "info", "the data folder answers again", "folder",
        ends="folder_hung"),
    Event("predictions_logged", "debug", "answered rows are in a file of the prediction log; `torn` lines were cut off "
        "by a kill", "file rows torn"),
    Event("file_scored", "info", "a file that was dropped to be scored has its result in `out_dir`, with a receipt",
        "file version rows rejected result"),
    Event("scoring_repeated", "info", "a file to be scored has the content of another one, whose result is there: it "
        "is not scored again", "file duplicate_of result"),
    Event("scoring_refused", "warning", "a file to be scored cannot be: no result appears", "file reason",
        "look at `reason`; drop a corrected file, or touch this one to have it looked at again"),
    Event("scoring_waits", "info", "files to be scored wait for a first version", "reason"),
    Event("predictions_dropped", "warning", "a server had no room for answered rows and did not keep them; at most one "
        "line a minute", "rows reason", "a full disk, or more than is worth keeping: lower `prediction_log.share`"),
    Event("predictions_expired", "info", "the oldest files of the log, and the data files made of them, were beyond "
        "prediction_log.keep", "files rows bytes"),
    Event("prediction_log_delayed", "error", "answered rows could not be taken in now, and will be tried again",
        "reason", "nothing, unless it repeats: then `reason`"),
    Event("champion_unloadable", "error", "what is served cannot be loaded in this environment (after an upgrade of "
        "scikit-learn, or damage): a cycle opens by itself; told every hour while it lasts", "version reason",
        "nothing, unless it repeats: then `reason`, `driftd history M`; a damaged disk?"),
    Event("schema_changed", "warning", "the configuration changed what a model's rows are since its champion was "
        "trained", "version changes then", "nothing: `then` says what follows; undo it if it was not meant"),
    Event("check_finished", "info", "a file or the recent window was judged; `metric` and `value` with labels; "
        "`estimated`: the metric of its `estimated_rows` rows without labels, an estimate and blind to concept drift; "
        "`together`: sentences, where [models.M.drift] multivariate is on; `untested`: why nothing was tested, as of a "
        "file below `drift.min_rows`, which neither begins nor ends a drift",
        "check kind version drift drifted_columns untested seconds metric value estimated estimated_rows together"),
    Event("metric_refused", "error", "at the start or after a reload: a [metric of one's own]"
        "(configuration.md#a-metric-of-ones-own), configured or of what is served, cannot be used: no file is judged "
        "and nothing trained by it", "metric reason", "mend its file as `reason` says; `driftd reload` looks again"),
    Event("check_failed", "error", "a file or the recent window could not be judged", "kind reason",
        "look at `reason`; `driftd doctor`"),
    Event("drift_detected", "warning", "a drift episode begins", "episode columns why", "look at `columns`: is a "
        "producer broken, or has the world changed? Retraining is decided by itself"),
    Event("drift_cleared", "info", "a drift episode ended", "episode",
        ends="drift_detected"),
    Event("performance_dropped", "warning", "on settled labels what is served does worse than in the files that it "
        "answered before (`earlier` of them, else at its evaluation), beyond chance: `value` of the newest file, "
        "`reference` before, `drop` of the newest `together` files; told where it begins",
        "version metric value reference rows drop p_value earlier together", "`driftd status`: is a cycle under way? "
        "`driftd rollback M` or `driftd retrain M` otherwise"),
    Event("errors_rose", "warning", "a detector saw the errors rise within a file that is worse than those before: at "
        "`row` it was sure, `since_row` the rise began (an estimate; none: in an earlier file), mean errors `before` "
        "and `after`", "version detector row since_row before after metric value reference", "look at the file from "
        "that row on: did its producer change?"),
    Event("slice_degraded", "warning", "on settled labels what is served does worse for a [group](groups.md) of rows "
        "than it did before, beyond chance over all groups: which, its metric now and before; the episode begins with "
        "the first, and others may join it", "episode groups", "`driftd status`: does one group's data or meaning "
        "differ now, or all? Retraining is decided by all rows: `driftd retrain M` if the group alone is worth it"),
    Event("slice_recovered", "info", "no group does worse than before any more, or none that does is watched",
        "episode",
        ends="slice_degraded"),
    Event("disparity_exceeded", "warning", "selection rates or true-positive rates of two [groups](groups.md) differ "
        "by more than `groups.max_difference`, beyond chance", "episode groups", "look at the groups on the status "
        "page: who is answered otherwise, and why?"),
    Event("disparity_cleared", "info", "no groups that are watched differ by more than is allowed any more",
        "episode",
        ends="disparity_exceeded"),
    Event("labels_assessed", "info", "a file's labels are there: what was served cost `loss` a row, and a fresh model "
        "of each window would have cost less by `gains`", "seq rows metric value loss gains seconds"),
    Event("difference_realised", "info", "two more files are settled: how much better the challenger of a cycle, "
        "promoted or not, was on them than the champion, beside what the gate [expected](gate.md) and "
        "its 90 % interval", "cycle_id measured expected low high realised rows"),
    Event("labels_doubted", "warning", "labels come class by class, or are all of one class: none that may be wrong is "
        "[believed](labels.md) (told once)", "reason one_class rows labelled settled", "`reason` says it: wait, or "
        "configure [models.M.labels]; is a feed of labels broken?"),
    Event("labels_selected", "warning", "being labelled depends on the answer: labelled rows are not like the "
        "others, and say nothing of how frequent classes are (told once)", "rows labelled settled", "[what "
        "helps](serving.md#answers-drawn-at-random): `serving.explore`, or labels of some rows chosen at random"),
    Event("labels_believed", "info", "labels that were doubted are not any more", "rows labelled settled",
        ends="labels_doubted"),
    Event("assessment_failed", "error", "the labels could not be assessed", "reason", "look at `reason`; `driftd "
        "doctor`"),
    Event("waiting_for_data", "info", "a cycle cannot be opened before something happens", "reason"),
    Event("cycle_waiting", "info", "a cycle cannot be opened before some time", "reason"),
    Event("cycle_not_opened", "info", "mode observe: a cycle would have been opened", "reason"),
    Event("cycle_opened", "info", "a retraining begins", "cycle_id trigger reason"),
    Event("stage_started", "info", "a stage of a cycle begins", "cycle_id stage attempt"),
    Event("stage_placed", "info", "a worker of the [cluster](cluster.md) has the stage", "cycle_id worker"),
    Event("exchange_uncleared", "warning", "files that were on their way from or to workers of the "
        "[cluster](cluster.md) could not be deleted", "reason", "nothing: it is tried again with each cycle"),
    Event("stage_finished", "info", "a stage ended well", "cycle_id stage seconds"),
    Event("stage_failed", "warning", "a stage failed", "cycle_id stage attempt reason will_retry",
        "nothing while `will_retry`; else `reason`, often `limits.train_memory` or `train_time`"),
    Event("approval_needed", "warning", "mode approve: a challenger waits for a person", "cycle_id reason approve",
        "`driftd explain CYCLE`, then `driftd approve CYCLE`"),
    Event("trial_started", "info", "a challenger is [on trial](rollout.md) beside the champion, at least for so many "
        "seconds", "cycle_id version strategy share seconds"),
    Event("challenger_failed", "warning", "a server saw a challenger fail on requests, which the champion answered; at "
        "most one line a second and server", "version requests reason pid", "nothing: its trial ends by itself; "
        "`reason` tells what in the data it cannot take"),
    Event("trial_finished", "info", "a challenger on trial was promoted (`promoted`) or the champion stays (`kept`)",
        "cycle_id version outcome reason rows failures compared differed"),
    Event("version_promoted", "info", "a version is the champion", "version reason",
        ends="champion_unloadable drift_detected slice_degraded disparity_exceeded"),
    Event("deployment_adjusted", "info", "other weights of stored versions, or another recalibration, are served: no "
        "training", "version reason",
        ends="champion_unloadable"),
    Event("challenger_better", "warning", "of a model that [another system serves](elsewhere.md): a challenger would "
        "have been better than what was predicted; it is kept, and nobody serves it", "cycle_id version reason",
        "look at `driftd explain CYCLE`; improve the other system's model, or let driftd serve it: without `served`, "
        "`driftd promote MODEL VERSION`"),
    Event("version_kept", "info", "the champion stays", "cycle_id reason"),
    Event("version_rolled_back", "warning", "what was served before is the champion again",
        "version from_version reason", "`driftd explain CYCLE`; look at the files that it learned from",
        ends="champion_unloadable drift_detected slice_degraded disparity_exceeded"),
    Event("hook_done", "info", "the command of [`on_promotion`](hooks.md) ended well; `after` is `version_promoted` or "
        "`version_rolled_back`, `output` the end of what it wrote", "version after status seconds output key"),
    Event("hook_failed", "warning", "the command of [`on_promotion`](hooks.md) ended with another status than 0, took "
        "longer than `on_promotion_timeout`, could not be started, or never ended because the service did; it is not "
        "run again", "version after status seconds output key reason", "look at `reason` and `output`; nothing else "
        "waits for it. `driftd doctor` says whether it can be found"),
    Event("retention_finished", "info", "once a day, if anything was beyond the "
        "[retention](configuration.md#modelsnameretention): how many of which went; `files` left their windows, their "
        "`snapshots` go the next time, and their `file_rows` in the ledger where the files are gone; `events` "
        "`commands` `schedules` `outbox` `hooks` are the service's",
        "files snapshots predictions quarantine reports checks assessments stages file_rows events commands schedules "
        "outbox hooks"),
    Event("version_removed", "info", "retention let a version go", "version"),
    Event("cycle_finished", "info", "the retraining is over", "cycle_id outcome reason",
        ends="approval_needed"),
    Event("model_swapped", "info", "a server serves the champion; `runtimes`: what computes the answers, "
        "[why](serving.md)", "version pid runtimes"),
    Event("version_verified", "info", "with [`load = \"when_asked\"`](serving.md#many-models) a server found all files "
        "of the champion as they were published, and loads them when they are asked for", "version pid"),
    Event("stand_in_served", "warning", "the champion cannot be loaded by a server that serves nothing yet: what was "
        "served before answers until it is made anew", "version champion", "nothing, unless it repeats: then `reason` "
        "of `champion_unloadable`; `driftd rollback M` makes what is served the champion"),
    Event("swap_failed", "error", "a server could not load the champion, and keeps what it has", "version reason",
        "`driftd doctor`; `driftd rollback M`"),
    Event("command_done", "info", "a command of the command line took effect", "command user answer"),
    Event("command_refused", "warning", "a command of the command line could not take effect", "command user answer",
        "`answer` says why"),
    Event("input_rejected", "warning", "a request was at fault; at most one line a second", "reason",
        "tell the client's owner `reason`"),
    Event("labels_not_kept", "error", "labels of a feedback request could not be written: the client got 507 and keeps "
        "them", "reason", "free some space, or see to the disk under `state_dir`"),
    Event("connections_refused", "warning", "a server had no room for more connections, `connections` were open; at "
        "most one line a minute", "connections refused", "raise the limit of open files (`LimitNOFILE=` under systemd) "
        "or look who holds so many"),
    Event("request_failed", "error", "a request found a fault of the server", "path error", "report it with `path` and "
        "`error`"),
    Event("server_started", "debug", "a server process began", "pid"),
    Event("server_continued", "warning", "a server had been stopped by a signal; it goes on, for connections that it "
        "accepted wait for nobody else", "pid", "nothing; find out who sent it SIGSTOP"),
    Event("server_hung", "error", "a server sent no heartbeat: it is ended, with its stacks on standard error, and "
        "started again", "pid silent_s", "report it with the stacks before it in the journal"),
    Event("server_died", "error", "a server ended by itself and is started again", "status restart_in_s",
        "look at `status` (-9: out of memory?); the stacks are before it in the journal"),
    Event("page_hung", "error", "the process of the [status page](page.md) sent no heartbeat: it is ended and started "
        "again; predictions and everything else go on", "pid silent_s", "report it with the stacks before it in the "
        "journal"),
    Event("page_died", "error", "the process of the [status page](page.md) ended by itself and is started again; "
        "predictions and everything else go on", "status restart_in_s", "look at `status` (-9: out of memory?); the "
        "stacks are before it in the journal"),
    Event("worker_died", "warning", "the analyst or a trainer ended by itself", "role op how", "-9 is the kernel's "
        "out-of-memory killer: lower `limits.train_memory` or shorten the window"),
    Event("worker_renewed", "info", "an analyst that lived for an hour or more and held more than 500 MB was ended "
          "between two requests; the next starts another", "role resident_mb hours"),
    Event("worker_hung", "error", "the analyst gave no sign of life for five minutes: it is ended, and what it was "
        "asked is tried again", "role op pid silent_s", "nothing, unless it repeats: then report it with `op`"),
    Event("worker_output", "debug", "what the analyst or a trainer printed", "role line"),
    Event("fork_failed", "warning", "the process that forks workers ended, its workers with it, or could not be had: "
        "the next is started when a worker is needed, and where that fails again a minute later; workers load their "
        "own libraries until then, which takes a second or two", "reason", "nothing, unless it repeats: then look at "
        "`reason` (signal 9: out of memory?)"),
    Event("worker_asked_again", "warning", "the analyst died or was hindered: the same question once more",
        "role op reason", "nothing, unless it repeats: then the event before it"),
    Event("part_failed", "error", "a part of the service, of a model's keeper or of a server failed and is started "
        "again; the same failure once more is told after a minute, then every ten; `traceback` the first time, `hint` "
        "where the ledger is damaged", "part error times traceback hint", "`traceback` says where; if `times` grows, "
        "look at `error` and `hint` (a full disk, a [damaged ledger](backup.md)), else report it"),
    Event("clock_jumped", "warning", "the wall clock was set: schedules and cool-downs are reckoned anew", "seconds",
        "is time synchronisation as it should be?"),
    Event("notify_failed", "warning", "a message to a [destination](notifications.md) did not arrive: it is tried "
        "again, less and less often; told once until one arrives", "destination reason waiting",
        "mend what `reason` says; `driftd notify test` tries it at once"),
    Event("notify_recovered", "info", "messages to a destination arrive again", "destination", ends="notify_failed"),
    Event("notify_unusable", "warning", "at the start or after a reload: nothing can be sent to a "
        "[destination](notifications.md) as things are: a file of its secrets cannot be read, or Apprise is not "
        "installed, or does not know what its URL says", "destination reason hint",
        "mend what `reason` says, as `hint` does; `driftd notify test` tries it at once"),
    Event("notify_given_up", "error", "a message did not arrive for as long as `give_up` says, or its destination is "
        "no longer configured: it will not be sent", "destination key about attempts reason",
        "read in `driftd history --events` what it would have said; mend the destination"),
    Event("mlflow_mirrored", "info", "the registered model in [MLflow](registry.md) is as the ledger is: `done` counts "
        "what had to be done for that", "registered done seconds"),
    Event("mlflow_failed", "warning", "[MLflow](registry.md) could not be brought up to date, first `about` a model: "
        "it is tried again, less and less often; told once while the reason is the same", "about reason",
        "mend what `reason` says; `driftd doctor` looks whether the server answers"),
    Event("mlflow_recovered", "info", "MLflow is brought up to date again", ends="mlflow_failed"),
    Event("ledger_delayed", "error", "small writes to the ledger wait until it can be written again", "reason writes",
        DISK),
)
# fmt: on
