// What the pages do beyond HTML. Every page works without it: this only saves a click, a reload or a look-up.
(() => {
  'use strict';

  // Names and values are copied as lines.
  const textOf = (source) => {
    if ('value' in source) return source.value;
    if (source.localName !== 'dl') return source.textContent;
    return [...source.querySelectorAll('dt')].map((name) => `${name.textContent} ${name.nextElementSibling.textContent}`).join('\n');
  };

  // Copy buttons: data-copy names the element whose text, or value, is copied.
  for (const button of document.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    const label = button.querySelector('[data-label]');
    const before = label.textContent;
    let back;
    button.addEventListener('click', async () => {
      const source = document.getElementById(button.dataset.copy);
      if (!source) return;
      try {
        await navigator.clipboard.writeText(textOf(source));
        label.textContent = 'Copied';
      } catch {
        // No clipboard without TLS: select it, so that a key press copies it.
        const range = document.createRange();
        range.selectNodeContents(source);
        if ('select' in source) source.select();
        else { const chosen = getSelection(); chosen.removeAllRanges(); chosen.addRange(range); }
        label.textContent = 'Selected';
      }
      clearTimeout(back);
      back = setTimeout(() => { label.textContent = before; }, 2000);
    });
  }

  // Times: pages show UTC; pointing at one shows it in the reader's own zone too.
  const localTimes = (root) => {
    for (const time of root.querySelectorAll('time[datetime]')) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) {
        time.title = at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' }) + ' where you are';
      }
    }
  };
  localTimes(document);

  // Charts: pointing at a part of time shows its values at once; its title, which browsers show late, goes.
  for (const plot of document.querySelectorAll('svg[data-plot]')) {
    const place = plot.parentElement;
    const tip = document.createElement('div');
    tip.className = 'tip';
    tip.hidden = true;
    tip.setAttribute('aria-hidden', 'true');
    place.append(tip);
    for (const part of plot.querySelectorAll('g')) {
      const title = part.querySelector('title');
      if (!title) continue;
      const said = title.textContent;
      title.remove();
      part.addEventListener('pointerenter', () => {
        tip.textContent = said;
        tip.hidden = false;
        const all = place.getBoundingClientRect();
        const here = part.getBoundingClientRect();
        const middle = here.left + here.width / 2 - all.left - tip.offsetWidth / 2;
        tip.style.left = `${Math.max(0, Math.min(middle, all.width - tip.offsetWidth))}px`;
      });
    }
    plot.addEventListener('pointerleave', () => { tip.hidden = true; });
  }

  // When something happens next is told in the reader's own zone too, if that is not UTC.
  for (const time of document.querySelectorAll('time[data-local]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) continue;
    const day = at.toDateString() === new Date().toDateString() ? {} : { day: 'numeric', month: 'short' };
    const here = at.toLocaleString(undefined, { ...day, hour: '2-digit', minute: '2-digit' });
    time.textContent += ` UTC (${here} where you are)`;
  }

  // A page that waits for something looks again by itself. data-again: after so many milliseconds.
  const again = document.querySelector('[data-again]');
  // As it was asked for: the address may become another below.
  const asked = location.href;
  if (again) setTimeout(() => location.replace(again.href || asked), Number(again.dataset.again));

  // A page that answers a form stands under the address that shows the same without it.
  const place = document.querySelector('[data-place]');
  if (place) history.replaceState(null, '', place.dataset.place);

  // A form that is on its way is not sent once more; who comes back to its page may send it again.
  const sent = new WeakSet();
  addEventListener('submit', (event) => {
    if (event.target.method !== 'post') return;
    if (sent.has(event.target)) event.preventDefault();
    sent.add(event.target);
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) for (const form of document.forms) sent.delete(form);
  });

  // A form that only asks to go on does so by itself.
  const onward = document.querySelector('form[data-onward]');
  if (onward) onward.requestSubmit();

  // A radio that makes a list of ticks needless dims it; a tick chooses the radio that needs it.
  for (const form of document.querySelectorAll('form')) {
    const radios = form.querySelectorAll('input[type=radio][data-ticks]');
    const ticks = form.querySelectorAll('input[type=checkbox][data-tick]');
    if (!radios.length) continue;
    for (const tick of ticks) tick.addEventListener('change', () => {
      if (tick.checked) for (const radio of radios) radio.checked = radio.dataset.ticks === 'needed';
    });
    // Ticks that the chosen radio makes needless are not sent.
    form.addEventListener('formdata', (event) => {
      if ([...radios].some((radio) => radio.checked && radio.dataset.ticks === 'needless')) {
        for (const tick of ticks) event.formData.delete(tick.name);
      }
    });
  }

  // A choice that fills a field: the button does so without scripts. What was typed is not written over.
  for (const button of document.querySelectorAll('button[data-refills]')) {
    const choice = document.getElementById(button.dataset.when);
    const field = document.getElementById(button.dataset.refills);
    if (choice && field) choice.addEventListener('change', () => {
      if (field.value === field.defaultValue) choice.form.requestSubmit(button);
    });
  }

  // The live tail. data-live: the stream, whose rows are made on the server; data-most: rows that are kept.
  const live = document.querySelector('[data-live]');
  if (live) {
    const part = (name) => live.querySelector(`[data-live-${name}]`);
    const [bar, state, count, rows, table, pause] = ['bar', 'state', 'count', 'rows', 'table', 'pause'].map(part);
    const most = Number(live.dataset.most);
    let waiting = [], missed = 0, paused = false, shown = 0, drawing = false, wasOpen = false, lost = false, connected = false;
    const say = (text) => { if (state.textContent !== text) state.textContent = text; };
    const tell = () => {
      const held = waiting.length + missed;
      count.textContent = paused && held ? `${held} more since` : '';
      table.hidden = !rows.childElementCount;
      part('empty').hidden = !table.hidden || !wasOpen;
      part('full').hidden = shown <= most;
    };
    const draw = () => {
      drawing = false;
      if (paused) return tell();
      if (missed) waiting.unshift(`<tr class="t-gap"><td colspan="7">${missed} more are in the Logs</td></tr>`);
      shown += waiting.length;
      const holder = document.createElement('template');
      holder.innerHTML = waiting.reverse().join('');
      localTimes(holder.content);
      rows.prepend(holder.content);
      while (rows.childElementCount > most) rows.lastElementChild.remove();
      waiting = []; missed = 0;
      tell();
    };
    const add = (row) => {
      waiting.push(row);
      // As many wait as would be kept.
      if (waiting.length > most) { waiting.shift(); missed += 1; }
      if (paused) tell();
      else if (!drawing) { drawing = true; setTimeout(draw, 100); }
    };
    const connect = () => {
      const source = new EventSource(live.dataset.live);
      source.addEventListener('open', () => {
        if (lost) add('<tr class="t-gap"><td colspan="7">The connection was lost here; what happened meanwhile is in the Logs</td></tr>');
        wasOpen = true; lost = false; connected = true;
        say(paused ? 'Paused' : 'Connected');
        tell();
      });
      source.addEventListener('row', (event) => add(JSON.parse(event.data)));
      source.addEventListener('error', async () => {
        lost = wasOpen; connected = false;
        say('The connection was lost. Trying again…');
        if (source.readyState !== EventSource.CLOSED) return;
        // The browser has given up: the session is over, or the server takes no more readers just now.
        const answer = await fetch('/live', { method: 'HEAD', redirect: 'manual' }).catch(() => null);
        if (answer && answer.type === 'opaqueredirect') say('You are signed out. Load the page again to sign in.');
        else setTimeout(connect, 5000);
      });
    };
    pause.addEventListener('click', () => {
      paused = !paused;
      pause.textContent = paused ? 'Resume' : 'Pause';
      if (connected) say(paused ? 'Paused' : 'Connected');
      draw();
    });
    part('clear').addEventListener('click', () => { rows.replaceChildren(); waiting = []; missed = 0; shown = 0; tell(); });
    bar.hidden = false;
    connect();
  }

  // An error summary is where reading goes on.
  const summary = document.getElementById('errors');
  if (summary) summary.focus();
})();
