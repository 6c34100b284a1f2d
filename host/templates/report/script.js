'use strict';
// Tables of trials: sorted by a column, filtered by text, shown a page at a time. Without this script they show their first rows.
for (const box of document.querySelectorAll('.trials')) {
  const PAGE = 100;
  const rows = JSON.parse(box.querySelector('script').textContent);
  for (const row of rows) row.text = row.cells.join('\n').toLowerCase();
  const heads = [...box.querySelectorAll('thead th')];
  const kinds = heads.map((head) => head.className);
  const body = box.querySelector('tbody');
  const filter = box.querySelector('input');
  const count = box.querySelector('output');
  const back = box.querySelector('.back');
  const on = box.querySelector('.on');
  let shown = rows;
  let first = 0;

  const line = (row) => {
    const tr = document.createElement('tr');
    row.cells.forEach((cell, column) => {
      const td = document.createElement('td');
      td.className = kinds[column];
      td.textContent = cell;
      tr.append(td);
    });
    return tr;
  };
  const show = () => {
    body.replaceChildren(...shown.slice(first, first + PAGE).map(line));
    const last = Math.min(first + PAGE, shown.length);
    count.textContent = shown.length ? `${first + 1} to ${last} of ${shown.length}` : 'none';
    back.disabled = first === 0;
    on.disabled = last === shown.length;
  };
  const choose = () => {
    const wanted = filter.value.trim().toLowerCase();
    shown = rows.filter((row) => row.text.includes(wanted));
    first = 0;
    show();
  };
  // What has no number comes last, whichever way the others go.
  const compare = (column, way) => (a, b) => {
    if (kinds[column] !== 'number') return way * a.cells[column].localeCompare(b.cells[column]);
    const [x, y] = [a.keys[column], b.keys[column]];
    if (x === null || y === null) return (x === null) - (y === null);
    return way * (x - y);
  };
  const sort = (column) => {
    const ascending = heads[column].getAttribute('aria-sort') !== 'ascending';
    for (const head of heads) head.removeAttribute('aria-sort');
    heads[column].setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    rows.sort(compare(column, ascending ? 1 : -1));
    choose();
  };

  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    button.addEventListener('click', () => sort(column));
    head.replaceChildren(button);
  });
  heads[0].setAttribute('aria-sort', 'ascending');
  filter.addEventListener('input', choose);
  back.addEventListener('click', () => { first -= PAGE; show(); });
  on.addEventListener('click', () => { first += PAGE; show(); });
  box.querySelector('.controls').hidden = false;
  show();
}
