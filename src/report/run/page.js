// Shows the figures at a step, where a chart is pointed at or walked over with the arrow keys.
for (const plot of document.querySelectorAll(".plot")) {
  const { low, high, lines } = PLOTS[plot.dataset.plot];
  const [area, cursor, tip] = [".area", ".cursor", ".tip"].map((name) => plot.querySelector(name));
  const steps = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  let place = -1;

  const nearest = (list, step) => {
    let [first, last] = [0, list.length - 1];
    while (first < last) {
      const middle = (first + last) >> 1;
      if (list[middle] < step) first = middle + 1; else last = middle;
    }
    return first > 0 && step - list[first - 1] < list[first] - step ? first - 1 : first;
  };
  const show = (at) => {
    place = Math.max(0, Math.min(steps.length - 1, at));
    const step = steps[place];
    const part = (step - low) / (high - low);
    cursor.style.left = `${100 * part}%`;
    const head = Object.assign(document.createElement("span"), { className: "at", textContent: `step ${step.toLocaleString("en")}` });
    tip.replaceChildren(head, ...lines.filter((line) => line.x.length).map((line) => {
      const row = Object.assign(document.createElement("span"), { className: line.style });
      row.append(document.createElement("i"), `${line.name && line.name + " "}${line.y[nearest(line.x, step)]}`);
      return row;
    }));
    plot.classList.add("on");
    const left = 52 + part * area.clientWidth;
    tip.style.left = part < 0.5 ? `${left + 12}px` : "auto";
    tip.style.right = part < 0.5 ? "auto" : `${plot.clientWidth - left + 12}px`;
  };
  const hide = () => plot.classList.remove("on");

  const point = (event) => {
    const { left, width } = area.getBoundingClientRect();
    show(nearest(steps, low + (event.clientX - left) / width * (high - low)));
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const stride = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: place - stride, ArrowRight: place + stride, Home: 0, End: steps.length - 1 };
    if (event.key === "Escape") return hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key]);
  });
}
