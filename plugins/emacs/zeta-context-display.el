;;; zeta-context-display.el --- A prediction beside the text -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Draws the prediction on offer with overlays behind lines, which move nothing.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(require 'zeta-context-peer)

(defface zeta-context-ghost '((t :inherit shadow :slant italic))
  "Text that would be added at the end of a line."
  :group 'zeta-context)
(defface zeta-context-added '((t :inherit success))
  "What is new in a line as it would be."
  :group 'zeta-context)
(defface zeta-context-removed '((t :inherit error :strike-through t))
  "What would go."
  :group 'zeta-context)

(defvar zeta-context--offer nil "The prediction, as the protocol tells it.")
(defvar zeta-context--offer-buffer nil "The buffer that it is for.")
(defvar zeta-context--offer-tick nil "The tick of that buffer that it is for.")
(defvar zeta-context--overlays nil)
(defvar zeta-context--shown nil "The id of the prediction that was told to be shown.")

(defun zeta-context--overlay (beg end &rest properties)
  "An overlay from BEG to END with PROPERTIES, which goes with the prediction."
  (let ((overlay (make-overlay beg end)))
    (push overlay zeta-context--overlays)
    (cl-loop for (name value) on properties by #'cddr do (overlay-put overlay name value))))

(defun zeta-context--row-text (row)
  "ROW as it would be, what is new in it standing out; without its indentation."
  (let ((text (propertize (plist-get row :text) 'face 'zeta-context-ghost)))
    (cl-loop for added across (plist-get row :added)
             do (put-text-property (min (aref added 0) (length text))
                                   (min (aref added 1) (length text))
                                   'face 'zeta-context-added text))
    (string-trim-left text)))

(defun zeta-context--show ()
  "Draw the prediction behind the lines that it changes, or where to go for one."
  (if (plist-get zeta-context--offer :uri)
      (zeta-context--tell-here (plist-get zeta-context--offer :why))
    (zeta-context--show-edits)))

(defun zeta-context--tell-here (text)
  "Draw TEXT behind the line of point."
  (zeta-context--overlay
   (line-end-position) (line-end-position) 'after-string
   (propertize (concat "  → " text) 'face 'zeta-context-ghost 'cursor t)))

(defun zeta-context--show-edits ()
  "Draw the edits of the prediction behind the lines that they change."
  (with-current-buffer zeta-context--offer-buffer
    (cl-loop for block across (plist-get zeta-context--offer :preview)
             do (zeta-context--show-block block)))
  (let ((line (plist-get (plist-get zeta-context--offer :jump) :line))
        (here (eq zeta-context--offer-buffer (current-buffer))))
    (unless (and here (pos-visible-in-window-p
                       (zeta-context--point (list :line line :character 0)) nil t))
      (zeta-context--overlay
       (line-end-position) (line-end-position) 'after-string
       (propertize (format "  %s line %d" (if here "↕" (buffer-name zeta-context--offer-buffer))
                           (1+ line))
                   'face 'zeta-context-ghost 'cursor t))))
  (let ((id (plist-get zeta-context--offer :id)))
    (unless (equal id zeta-context--shown)
      (setq zeta-context--shown id)
      (zeta-context--notify :zeta/didShow (list :id id)))))

(defun zeta-context--show-block (block)
  "Draw one BLOCK of a preview."
  (cl-loop for range across (plist-get block :removed)
           do (zeta-context--overlay (zeta-context--point (plist-get range :start))
                                     (zeta-context--point (plist-get range :end))
                                     'face 'zeta-context-removed))
  (if-let ((ghost (plist-get block :ghost)))
      (let ((at (zeta-context--point (plist-get ghost :position)))
            (text (string-replace "\n" " ⏎ " (plist-get ghost :text))))
        (zeta-context--overlay at at 'after-string
                               (propertize text 'face 'zeta-context-ghost 'cursor t)))
    ;; Rows that come in have no line of their own: they stand behind the one before.
    (let* ((start (plist-get block :startLine))
           (rows (plist-get block :rows))
           (lines (max (- (plist-get block :endLine) start) 1)))
      (dotimes (at (min lines (length rows)))
        (let* ((last (= at (1- lines)))
               (shown (if last (cl-subseq rows at) (vector (aref rows at))))
               (new (cl-remove-if (lambda (row) (equal (plist-get row :added) [])) shown))
               (place (save-excursion
                        (goto-char (zeta-context--point (list :line (+ start at) :character 0)))
                        (line-end-position))))
          (when (> (length new) 0)
            (zeta-context--overlay
             place place 'after-string
             (concat (propertize "  → " 'face 'zeta-context-ghost 'cursor t)
                     (mapconcat #'zeta-context--row-text new
                                (propertize " ⏎ " 'face 'zeta-context-ghost))))))))))

(provide 'zeta-context-display)
;;; zeta-context-display.el ends here
