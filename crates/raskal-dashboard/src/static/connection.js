// Keeps the page fed: a websocket while one can be had, polling where a proxy lets none through, and an honest word
// about which of them it is. Start at `connect`.

const SILENCE_MS = 4000;
const RETRY_MS_MAX = 8000;
const POLL_MS = 1000;
const HIDDEN_MS = 60000;

/**
 * Calls `onSnapshot(snapshot)` for each message, and `onState(state, retryAtMs)` for each change of
 * "live" | "polling" | "lost" | "refused" | "asleep". Returns a function that tries again at once.
 */
export function connect(onSnapshot, onState) {
  let socket = null;
  let failures = 0;
  let timer = 0;
  let watchdog = 0;
  let sleeper = 0;

  function later(milliseconds, action) {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  }

  function heard() {
    failures = 0;
    clearTimeout(watchdog);
    watchdog = setTimeout(() => dropped(), SILENCE_MS);
  }

  function open() {
    close();
    const address = new URL("ws", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(address);
    socket = mine;
    mine.onmessage = (message) => {
      if (socket !== mine) return;
      heard();
      onSnapshot(JSON.parse(message.data));
      onState("live");
    };
    mine.onclose = () => socket === mine && dropped();
    clearTimeout(watchdog);
    watchdog = setTimeout(() => socket === mine && dropped(), SILENCE_MS);
  }

  function close() {
    clearTimeout(watchdog);
    clearTimeout(timer);
    const old = socket;
    socket = null;
    if (old) old.close();
  }

  /** The websocket is gone: perhaps only it, perhaps the scheduler. Plain HTTP tells which. */
  async function dropped() {
    close();
    failures += 1;
    const answer = await ask();
    if (document.hidden && sleeper === -1) return;
    if (answer.snapshot) {
      onSnapshot(answer.snapshot);
      // The websocket is tried again at once after a hiccup, and now and then where it never works.
      if (failures <= 2) return later(250, open);
      onState("polling");
      return later(POLL_MS, failures % 30 === 0 ? open : dropped);
    }
    if (answer.refused) return onState("refused");
    const wait = Math.min(RETRY_MS_MAX, 500 * 2 ** (failures - 1));
    onState("lost", Date.now() + wait);
    later(wait, open);
  }

  async function ask() {
    try {
      const response = await fetch("api/snapshot", { cache: "no-store", signal: AbortSignal.timeout(SILENCE_MS) });
      if (response.status === 401) return { refused: true };
      return response.ok ? { snapshot: await response.json() } : {};
    } catch {
      return {};
    }
  }

  // A page that nobody sees asks nothing of the scheduler.
  document.addEventListener("visibilitychange", () => {
    if (sleeper !== -1) clearTimeout(sleeper);
    if (document.hidden) {
      sleeper = setTimeout(() => {
        sleeper = -1;
        close();
        onState("asleep");
      }, HIDDEN_MS);
    } else if (sleeper === -1) {
      sleeper = 0;
      open();
    }
  });

  open();
  return () => {
    failures = 0;
    open();
  };
}
