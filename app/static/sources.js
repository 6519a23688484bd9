// Images from elsewhere: dropped anywhere on the page, pasted, or chosen.

export function listen(frame, input, take, complain) {
  input.addEventListener("change", () => {
    offer(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length > 0) offer(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    frame.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) frame.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    frame.classList.remove("dropping");
    offer(event.dataTransfer.files);
  });

  function offer(files) {
    if (files.length === 1) take(files[0]);
    else if (files.length > 1) complain(`These are ${files.length} files; bring one image at a time.`);
    else complain("That was no file; save the image first, then drop it here.");
  }
}

/** The file as something to draw, or null where the browser has no decoder for it (the server may have). */
export async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    return null;
  }
}
