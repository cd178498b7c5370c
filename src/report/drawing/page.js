"use strict";
const svgElement = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
};
const panes = [...document.querySelectorAll(".pane")];
const inspector = document.getElementById("inspector");
const overview = inspector.innerHTML;

/* An edge: [from, to, exit, entrance, gradient, lanes]; ports are null where a box is not drawn with what is in it, lanes is
   how many of the places it passes on its way, which all edges from one box share. */
function draw() {
  for (const pane of panes) {
    const backward = pane.id === "backward";
    const canvas = pane.querySelector(".canvas");
    const svg = pane.querySelector("svg.edges");
    svg.querySelectorAll("path.edge").forEach(path => path.remove());
    const origin = canvas.getBoundingClientRect();
    const prefix = backward ? "b" : "f";
    const visible = number => {
      const element = number === null ? null : document.getElementById(prefix + number);
      return element && element.offsetParent !== null ? element : null;
    };
    const end = (item, port) => visible(port) || visible(item);
    const middle = (element, side) => {
      const box = element.getBoundingClientRect();
      return [(box.left + box.right) / 2 - origin.left, box[side] - origin.top];
    };
    EDGES.forEach(([from, to, exit, entrance, gradient, lanes]) => {
      if (!visible(from) || !visible(to) || (backward && !gradient)) return;
      const ends = [end(from, exit), end(to, entrance)];
      const points = [middle(ends[0], "bottom")];
      for (let lane = 0; lane < lanes; lane++) {
        const box = document.getElementById(prefix + "L" + from + "_" + lane).getBoundingClientRect();
        const x = (box.left + box.right) / 2 - origin.left;
        points.push([x, box.top - origin.top - 4], [x, box.bottom - origin.top + 4]);
      }
      points.push(middle(ends[1], "top"));
      if (backward) { points.reverse(); ends.reverse(); }
      const path = svgElement("path", { class: "edge", d: curve(points) });
      if (!ends[1].classList.contains("port")) path.setAttribute("marker-end", "url(#" + prefix + "-arrow)");
      path.dataset.ends = from + " " + to;
      svg.appendChild(path);
    });
  }
}

function curve(points) {
  let d = "M" + points[0].map(n => n.toFixed(1)).join(" ");
  for (let i = 1; i < points.length; i++) {
    const [x0, y0] = points[i - 1], [x1, y1] = points[i];
    if (Math.abs(x0 - x1) < 0.5) { d += ` L${x1.toFixed(1)} ${y1.toFixed(1)}`; continue; }
    const bend = (y1 - y0) * 0.5;
    d += ` C${x0.toFixed(1)} ${(y0 + bend).toFixed(1)} ${x1.toFixed(1)} ${(y1 - bend).toFixed(1)} ${x1.toFixed(1)} ${y1.toFixed(1)}`;
  }
  return d;
}

const twins = number => ["f", "b"].map(prefix => document.getElementById(prefix + number)).filter(Boolean);
function toggle(number, closed) {
  for (const item of twins(number)) item.classList.toggle("closed", closed);
}

function light(kernels, items) {
  document.querySelectorAll(".lit").forEach(element => element.classList.remove("lit"));
  const shared = new Set(kernels);
  document.querySelectorAll("[data-kernels]").forEach(element => {
    const some = element.dataset.kernels.split(" ").some(kernel => shared.has(kernel));
    if (some && !element.classList.contains("block")) element.classList.add("lit");
  });
  for (const item of items) {
    for (const twin of twins(item)) twin.classList.add("lit");
    document.querySelectorAll("path.edge").forEach(path => {
      if (path.dataset.ends.split(" ").includes(String(item))) path.classList.add("lit");
    });
  }
}

let pinned = null;
function inspect(item) {
  const tip = item && item.querySelector(":scope > .tip");
  inspector.innerHTML = tip ? tip.innerHTML : overview;
  const kernels = item ? (item.dataset.kernels || "").split(" ").filter(Boolean) : [];
  light(item && !item.classList.contains("block") ? kernels : [], item ? [item.dataset.item] : []);
}
document.addEventListener("mouseover", event => {
  const chip = event.target.closest("[data-kernel]");
  if (chip) return light([chip.dataset.kernel], []);
  const item = event.target.closest(".item");
  if (item) inspect(item); else inspect(pinned);
});
document.addEventListener("focusin", event => { const item = event.target.closest(".item"); if (item) inspect(item); });
document.addEventListener("click", event => {
  const head = event.target.closest(".head");
  if (head) {
    const item = head.closest(".item");
    toggle(item.dataset.item, !item.classList.contains("closed"));
    return draw();
  }
  pinned = event.target.closest(".item");
});
document.addEventListener("keydown", event => {
  if (event.key === "Enter" && event.target.classList.contains("head")) event.target.click();
});
for (const [id, closed] of [["open", false], ["close", true]]) {
  document.getElementById(id).addEventListener("click", () => {
    document.querySelectorAll(".block").forEach(item => toggle(item.dataset.item, closed));
    draw();
  });
}
window.addEventListener("resize", draw);
draw();
