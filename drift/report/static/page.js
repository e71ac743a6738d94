// Pages of driftd follow what happens while they are open, and say times in the reader's zone. Without this script a page
// is what it was when it was made, in UTC. One stream (/api/events) says that something changed; htmx then asks for the
// same address again and changes what differs, so that scroll position, focus and what was opened stay.
"use strict";
(() => {
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const DAY_MS = 86400000;
  // Updates come PACE_MS apart at least, and so far apart that the service works a tenth of the time for this page; after
  // STALE_MS at the latest, for ages and rates; those of all pages that are open are spread over SPREAD_MS. A break of the
  // stream is said after PATIENCE_MS: most end sooner.
  const PACE_MS = 2000, SPREAD_MS = 1000, STALE_MS = 30000, PATIENCE_MS = 4000;
  const GIVEN_UP_MS = 45000, LONGEST_PAUSE_MS = 60000;

  // --- times ---------------------------------------------------------------------------------------------------------

  const two = (number) => String(number).padStart(2, "0");
  const clock = (at, exact) => `${two(at.getHours())}:${two(at.getMinutes())}${exact ? `:${two(at.getSeconds())}` : ""}`;
  const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate());

  // As near as it is: the hour of these days, else the date; as the server words it in UTC.
  function words(at, now, exact) {
    const days = Math.round((midnight(at) - midnight(now)) / DAY_MS);
    if (days === 0) return `today ${clock(at, exact)}`;
    if (days === 1) return `tomorrow ${clock(at, exact)}`;
    if (days < 0 && days >= -6) return `${WEEKDAYS[at.getDay()]} ${clock(at, exact)}`;
    const date = `${at.getDate()} ${MONTHS[at.getMonth()]}`;
    return at.getFullYear() === now.getFullYear() ? date : `${date} ${at.getFullYear()}`;
  }

  function localize(root) {
    const now = new Date();
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (!Number.isNaN(at.getTime())) element.textContent = words(at, now, "exact" in element.dataset);
    }
  }

  localize(document);
  document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "your zone";

  // --- following -----------------------------------------------------------------------------------------------------

  const main = document.getElementById("main"), sign = document.getElementById("live");
  if (!main.hasAttribute("hx-get")) return;
  let stream = null, connected = false, again = 0, pause = PACE_MS, lostAt = 0, backUntil = 0, loggedOut = false;
  let wanted = false, asking = 0, next = 0, asOf = Date.now(), moved = 0;

  const typed = (field) => field.matches(":focus") || (field.type === "checkbox" || field.type === "radio"
    ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);

  // Whether somebody is about to decide or to write something: nothing moves under their hands.
  function held() {
    if (document.querySelector("details.sure[open], dialog[open]")) return true;
    if (Date.now() - moved < 5000 && main.querySelector("form:hover, .acts:hover")) return true;
    return [...main.querySelectorAll("input:not([type=hidden]), textarea")].some(typed);
  }

  const isLost = () => lostAt && Date.now() - lostAt > PATIENCE_MS;

  function well() {
    if (isLost()) backUntil = Date.now() + 5000;
    lostAt = 0;
  }

  function state() {
    if (loggedOut) return ["lost", "logged out: reload the page"];
    if (isLost()) return ["lost", `connection lost, as of ${clock(new Date(asOf))}`];
    if (wanted && held()) return ["waits", "news waits until you are done"];
    if (Date.now() < backUntil) return ["on", "connected again"];
    return connected ? ["on", "live"] : ["", ""];
  }

  function show() {
    const [kind, text] = state();
    if (sign.textContent === text) return;
    sign.className = kind;
    sign.textContent = text;
  }

  function connect() {
    stream = new EventSource("/api/events");
    stream.addEventListener("open", () => {
      [connected, pause] = [true, PACE_MS];
      well();
      tick();
    });
    stream.addEventListener("changed", () => {
      if (!wanted) next = Math.max(next, Date.now() + SPREAD_MS * Math.random());
      wanted = true;
    });
    stream.addEventListener("error", broken);
  }

  // The browser begins a stream anew that ended; one that was refused is begun here, later and later, and the page itself
  // is asked for, which says whether somebody is still logged in.
  function broken() {
    connected = false;
    lostAt ||= Date.now();
    if (stream && stream.readyState === EventSource.CLOSED) {
      close();
      wanted = true;
      again = Date.now() + pause * (0.5 + Math.random());
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  function failed() {
    wanted = true;
    lostAt ||= Date.now();
  }

  function close() {
    if (stream) stream.close();
    [stream, connected] = [null, false];
  }

  function tick() {
    const now = Date.now();
    if (document.hidden || loggedOut) { close(); show(); return; }
    if (!stream && now >= again) connect();
    if (now - asOf > STALE_MS && connected) wanted = true;
    if (asking && now - asking > GIVEN_UP_MS) asking = 0;
    if (wanted && !asking && now >= next && !held()) {
      [wanted, asking] = [false, now];
      main.dispatchEvent(new CustomEvent("follow"));
    }
    show();
  }

  main.addEventListener("htmx:before:swap", (event) => {
    if (held()) { wanted = true; event.preventDefault(); return; }
    for (const task of event.detail.tasks) localize(task.fragment);
  });
  main.addEventListener("htmx:after:swap", () => {
    asOf = Date.now();
    if (connected) well();
  });
  main.addEventListener("htmx:response:error", (event) => {
    loggedOut = event.detail.ctx.response.status === 401;
    failed();
  });
  main.addEventListener("htmx:error", failed);
  main.addEventListener("htmx:finally:request", () => {
    next = Date.now() + Math.max(PACE_MS, 10 * (Date.now() - asking));
    asking = 0;
    show();
  });
  addEventListener("pointermove", () => { moved = Date.now(); }, { passive: true });
  addEventListener("pagehide", close);
  document.addEventListener("visibilitychange", () => { loggedOut = false; tick(); });
  setInterval(tick, 1000);
  tick();
})();
