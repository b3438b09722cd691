// Saving what stands in the playground. Opening, renaming and deleting are pages of their own, and need no script.
import { element } from "./contender.js";
import { inert } from "./markdown.js";

const MOST_IMAGE_CHARACTERS = 20_000;

/** Let `form` save what `standing` returns: under the prompt that is open, or as one more. */
export function saving(form, { token, standing }) {
  const said = form.querySelector("[role=status]");
  const again = form.querySelector("[name=again]");

  async function save(id) {
    const content = standing();
    let left = 0;
    for (const question of content.questions) {
      const small = question.images.filter((url) => url.length <= MOST_IMAGE_CHARACTERS);
      left += question.images.length - small.length;
      question.images = small;
    }
    const body = new URLSearchParams({ form_token: token, id, name: form.elements.name.value.trim(), content: JSON.stringify(content) });
    said.textContent = "Saving …";
    let answer;
    try {
      const response = await fetch("/console/playground/prompts", { method: "POST", body });
      if (response.redirected) { said.textContent = "Your session has ended: sign in again in another tab, then save once more."; return; }
      answer = await response.json();
    } catch {
      said.textContent = "It could not be saved. Try once more.";
      return;
    }
    if (answer.problem) { said.textContent = inert(`${answer.problem.message} ${answer.problem.next_step}`); return; }
    form.dataset.id = answer.id;
    again.hidden = false;
    list(answer);
    said.textContent = left ? `Saved, but for ${left} ${left === 1 ? "image that is" : "images that are"} too large to be kept.` : "Saved.";
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); save(event.submitter === again ? "" : form.dataset.id); });
}

/** Put a prompt that was just saved on top of the list. */
function list({ id, name }) {
  const all = document.getElementById("saved");
  const link = element("a", "", inert(name));
  link.href = `/console/playground?prompt=${encodeURIComponent(id)}`;
  const item = element("li", "", link);
  item.dataset.id = id;
  for (const one of all.children) if (one.dataset.id === id) { one.replaceWith(item); return; }
  all.prepend(item);
}
