;;; zeta-context.el --- Next-edit prediction on your own machine -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (jsonrpc "1.0.14"))
;; Keywords: convenience, languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; `zeta-context-mode' shows the edit that you are likely to make next, beside the text and
;; without moving it.  One key goes there and, once you are there, makes it.
;;
;;   (autoload 'zeta-context-mode "zeta-context" nil t)
;;   (add-hook 'prog-mode-hook #'zeta-context-mode)
;;
;; Needs the program `zeta-context': M-x zeta-context-install.  Language servers run by eglot or
;; lsp-mode can be put behind its proxy, which makes their definitions context of predictions:
;;
;;   (zeta-context-wrap-eglot 'python-mode 'python-ts-mode)
;;   (zeta-context-wrap-lsp-mode)
;;
;; What is predicted, and when, is the program's business; this package tells it of changes
;; and shows its answers.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'url-util)
(require 'zeta-context-agent)
(require 'zeta-context-peer)
(require 'zeta-context-display)

(defcustom zeta-context-max-size (* 2 1024 1024)
  "Longer buffers are left alone."
  :type 'integer
  :group 'zeta-context)

(defvar zeta-context-mode)

;;;; The prediction on offer

(defvar zeta-context--reason "" "Why there is no prediction.")
(defvar zeta-context--timer nil)
(defvar-local zeta-context--active nil "Whether a prediction can be accepted from here.")

(defun zeta-context--clear ()
  "Show nothing."
  (mapc #'delete-overlay zeta-context--overlays)
  (setq zeta-context--overlays nil zeta-context--offer nil)
  (dolist (buffer (buffer-list))
    (when (buffer-local-value 'zeta-context--active buffer)
      (with-current-buffer buffer (setq zeta-context--active nil)))))

(defun zeta-context--age ()
  "The text changed: what is shown is for another one."
  (setq zeta-context--active nil)
  (when zeta-context--offer
    (let ((aged zeta-context--offer))
      (run-at-time 0.15 nil (lambda ()
                              (when (eq zeta-context--offer aged) (zeta-context--clear)))))))

(defun zeta-context--note-change (&rest _)
  "The text of this buffer changed: ask for what comes next."
  (when zeta-context--open
    (zeta-context--age)
    (zeta-context--ask-soon "buffer_edit")))

(defun zeta-context--menu-p ()
  "Whether a completion menu is open."
  (or completion-in-region-mode (bound-and-true-p company-candidates)))

(defun zeta-context--busy ()
  "What the user is in the middle of, in the protocol's words.
While a menu is open nothing is shown anyway."
  (vconcat (delq nil (list (and (use-region-p) "selection")
                           (and (fboundp 'yas-active-snippets) (yas-active-snippets) "snippet")
                           (and (bound-and-true-p quail-translating) "ime")))))

(defun zeta-context-has-prediction ()
  "The prediction that can be accepted now, or nil."
  (and zeta-context--offer
       (buffer-live-p zeta-context--offer-buffer)
       (not (zeta-context--menu-p))
       (eql zeta-context--offer-tick (buffer-chars-modified-tick zeta-context--offer-buffer))
       zeta-context--offer))

(defun zeta-context--ask-soon (trigger)
  "Ask for a prediction because of TRIGGER, once this command is done."
  (when zeta-context--timer (cancel-timer zeta-context--timer))
  (let ((buffer (current-buffer)))
    (setq zeta-context--timer
          (run-at-time 0.01 nil (lambda ()
                                  (when (and (buffer-live-p buffer) (eq buffer (current-buffer)))
                                    (zeta-context--ask trigger)))))))

(defun zeta-context--ask (trigger)
  "Ask for a prediction at point because of TRIGGER."
  (let ((buffer (current-buffer)) (tick (buffer-chars-modified-tick)))
    (zeta-context--request
     :zeta/predict (list :trigger trigger :busy (zeta-context--busy))
     (lambda (answer)
       (when (and (buffer-live-p buffer)
                  (eql tick (buffer-chars-modified-tick buffer))
                  (eq buffer (window-buffer)))
         (with-current-buffer buffer
           (zeta-context--take-answer answer)))))))

(defun zeta-context--take-answer (answer)
  "Show what ANSWER predicts."
  (let ((prediction (plist-get answer :prediction))
        (jump (plist-get answer :jump)))
    (zeta-context--clear)
    (setq zeta-context--reason (if prediction "" (or (plist-get answer :reason) "")))
    (when (and jump (not prediction))
      (setq zeta-context--offer jump
            zeta-context--offer-buffer (current-buffer)
            zeta-context--offer-tick (buffer-chars-modified-tick)
            zeta-context--active t)
      (unless (zeta-context--menu-p) (zeta-context--show)))
    (when prediction
      (let ((target (zeta-context--buffer-of prediction)))
        (when target
          (setq zeta-context--offer prediction
                zeta-context--offer-buffer target
                zeta-context--offer-tick (buffer-chars-modified-tick target)
                zeta-context--active t)
          (unless (zeta-context--menu-p) (zeta-context--show)))))
    (force-mode-line-update)))

(defun zeta-context--buffer-of (prediction)
  "The buffer that PREDICTION is for."
  (let ((uri (plist-get (plist-get prediction :textDocument) :uri)))
    (if (string-prefix-p "file://" uri)
        (find-buffer-visiting (url-unhex-string (substring uri 7)))
      (current-buffer))))

;;;; What the user does

(defun zeta-context--apply (edits)
  "Make EDITS, which are all against the text as it is.
Gives where the last one ends."
  (let ((places (cl-map 'list
                        (lambda (edit)
                          (let ((range (plist-get edit :range)))
                            (list (copy-marker (zeta-context--point (plist-get range :start)))
                                  (copy-marker (zeta-context--point (plist-get range :end)))
                                  (plist-get edit :newText))))
                        edits))
        (own (eq (zeta-context--peer) 'own))
        (stop nil))
    (undo-boundary)
    (when own (zeta-context--flush))
    (let ((zeta-context--telling (not own)))
      (save-excursion
        (save-restriction
          (widen)
          (dolist (place (reverse places))
            (pcase-let ((`(,beg ,end ,text) place))
              (goto-char beg)
              ;; One change for whoever looks on, such as eglot.
              (combine-change-calls beg end
                (delete-region beg end)
                (insert text))
              (unless stop (setq stop (point-marker))))))))
    ;; From the last to the first, each is where it was said to be.
    (when (and own (not zeta-context--out-of-step))
      (zeta-context--did-change
       (cl-map 'vector
               (lambda (edit)
                 (list :range (plist-get edit :range) :text (plist-get edit :newText)))
               (reverse edits))))
    (undo-boundary)
    stop))

(defun zeta-context--accept (part)
  "Go to the prediction, or take it (or its PART) where point is in its line."
  (let ((offer (zeta-context-has-prediction)))
    (unless offer (user-error "Nothing is predicted"))
    (if (plist-get offer :uri)
        (zeta-context--open-file offer)
      (zeta-context--accept-edits offer part))))

(defun zeta-context--open-file (jump)
  "Open the file of JUMP, in which an edit waits, and go there."
  (zeta-context--clear)
  (push-mark nil t)
  (find-file (url-unhex-string (substring (plist-get jump :uri) 7)))
  (goto-char (zeta-context--point (plist-get jump :position)))
  (when zeta-context-mode (zeta-context--ask-soon "other")))

(defun zeta-context--accept-edits (offer part)
  "Go to OFFER, or take it (or its PART) where point is in its line."
  (let ((jump (plist-get offer :jump)))
    (if (not (and (eq zeta-context--offer-buffer (current-buffer))
                  (= (plist-get jump :line) (plist-get (zeta-context--position) :line))))
        (progn
          (push-mark nil t)
          (switch-to-buffer zeta-context--offer-buffer)
          (goto-char (zeta-context--point jump)))
      (zeta-context--clear)
      (let ((stop (zeta-context--apply
                   (if part (plist-get (plist-get offer :parts) part)
                     (plist-get offer :edits)))))
        (goto-char (if part stop (zeta-context--point (plist-get offer :cursor)))))
      (zeta-context--notify :zeta/didAccept
                            `(:id ,(plist-get offer :id) ,@(and part '(:partial t))))
      (zeta-context--ask-soon (if part "prediction_partially_accepted"
                                "prediction_accepted")))))

(defun zeta-context-accept ()
  "Go to the prediction, or make it where point is in its line already."
  (interactive)
  (zeta-context--accept nil))

(defun zeta-context-accept-word (line)
  "Take the next word of the prediction.
With a prefix argument (LINE), take its next line."
  (interactive "P")
  (zeta-context--accept (if line :line :word)))

(defun zeta-context-reject ()
  "Turn the prediction down; the same is not shown here again."
  (interactive)
  (let ((offer (zeta-context-has-prediction)))
    (unless offer (user-error "Nothing is predicted"))
    (zeta-context--clear)
    (setq zeta-context--reason "rejected")
    (zeta-context--notify :zeta/didReject `(:id ,(plist-get offer :id) :reason "rejected"))))

(defun zeta-context-predict ()
  "Ask for a prediction now."
  (interactive)
  (zeta-context--ask "explicit"))

(defun zeta-context-status ()
  "Show what was predicted, and why not."
  (interactive)
  (zeta-context--request
   :zeta/status nil
   (lambda (status)
     (with-current-buffer (get-buffer-create "*zeta-context*")
       (let ((inhibit-read-only t))
         (erase-buffer)
         (insert (format "protocol %s, process %s, %s documents\n\n"
                         (plist-get status :protocol) (plist-get status :pid)
                         (plist-get status :documents)))
         (cl-loop for (name count) on (plist-get status :counts) by #'cddr
                  do (insert (format "%6d  %s\n" count (substring (symbol-name name) 1))))
         (insert "\n")
         (cl-loop for one across (reverse (plist-get status :recent))
                  do (insert (format-time-string "%T  " (plist-get one :at))
                             (plist-get one :reason) "  " (or (plist-get one :place) "") "\n"))
         (special-mode))
       (display-buffer (current-buffer))))))

(defun zeta-context-wrong ()
  "Write down what was predicted wrongly, as a scenario on this machine."
  (interactive)
  (zeta-context--request
   :zeta/state nil
   (lambda (state)
     (with-temp-buffer
       (insert (jsonrpc--json-encode state))
       (let ((coding-system-for-write 'utf-8))
         (apply #'call-process-region nil nil (car (zeta-context--command)) t t nil
                (append (cdr (zeta-context--command)) '("wrong"))))
       (message "zeta-context: written to %s" (string-trim (buffer-string)))))))

;;;; The mode

(defvar zeta-context-active-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "M-RET") #'zeta-context-accept)
    (define-key map (kbd "M-n") #'zeta-context-accept-word)
    (define-key map (kbd "M-p") #'zeta-context-reject)
    map)
  "Keys while a prediction is on offer.
All others keep their meaning, and so do these at other times.")

(defvar zeta-context--keys `((zeta-context--active . ,zeta-context-active-map)))

(defun zeta-context-mode-line ()
  "What is offered, or why nothing is."
  (cond ((not zeta-context--active)
         (concat " zeta" (unless (string-empty-p zeta-context--reason) ":")
                 zeta-context--reason))
        ((plist-get zeta-context--offer :uri) " zeta:→")
        (t (format " zeta:%d" (length (plist-get zeta-context--offer :edits))))))

(defvar-local zeta-context--last-point nil)

(defun zeta-context--post-command ()
  "Point may have moved."
  (unless (eql zeta-context--last-point (point))
    (setq zeta-context--last-point (point))
    (cond ((zeta-context--menu-p)
           (mapc #'delete-overlay zeta-context--overlays)
           (setq zeta-context--active nil))
          ((not (zeta-context-has-prediction)) (zeta-context--ask-soon "other"))
          ((not zeta-context--active)
           (setq zeta-context--active t)
           (mapc #'delete-overlay zeta-context--overlays)
           (zeta-context--show)))))

;;;###autoload
(define-minor-mode zeta-context-mode
  "Show the edit that you are likely to make next."
  :lighter (:eval (zeta-context-mode-line))
  (if (not zeta-context-mode)
      (progn
        (zeta-context--did-close)
        (zeta-context--clear)
        (remove-hook 'before-change-functions #'zeta-context--before-change t)
        (remove-hook 'after-change-functions #'zeta-context--after-change t)
        (remove-hook 'after-change-functions #'zeta-context--note-change t)
        (remove-hook 'after-save-hook #'zeta-context--did-save t)
        (remove-hook 'kill-buffer-hook #'zeta-context--did-close t)
        (remove-hook 'post-command-hook #'zeta-context--post-command t))
    (when (< (buffer-size) zeta-context-max-size)
      (add-hook 'before-change-functions #'zeta-context--before-change nil t)
      (add-hook 'after-change-functions #'zeta-context--after-change nil t)
      (add-hook 'after-change-functions #'zeta-context--note-change 50 t)
      (add-hook 'after-save-hook #'zeta-context--did-save nil t)
      (add-hook 'kill-buffer-hook #'zeta-context--did-close nil t)
      (add-hook 'post-command-hook #'zeta-context--post-command nil t)
      (add-hook 'kill-emacs-hook #'zeta-context--quit)
      (add-hook 'zeta-context--ended-hook #'zeta-context--clear)
      (add-to-list 'emulation-mode-map-alists 'zeta-context--keys)
      (zeta-context--add-root
       (if-let ((project (project-current)))
           (expand-file-name (project-root project))
         (expand-file-name default-directory)))
      (zeta-context--start)
      (zeta-context--did-open))))

(provide 'zeta-context)
;;; zeta-context.el ends here
