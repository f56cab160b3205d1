;;; eglot_session.el --- A session with eglot, as test_proxy_emacs.py wants it  -*- lexical-binding: t -*-

;; Called with the command of a language server, a project's folder, and the rows (from 0) of the
;; first renamed line and of the next one. Prints a line "NAME: VALUE" for each thing it finds out.

(unless (require 'eglot nil t)
  (package-initialize)
  (require 'eglot))
(require 'cl-lib)
(require 'json)

(setq eglot-sync-connect 20
      eglot-autoshutdown nil
      eglot-send-changes-idle-time 0.05
      create-lockfiles nil
      make-backup-files nil
      project-find-functions (list (lambda (_) (cons 'transient (getenv "ROOT")))))

(defun told (name value)
  "Print that NAME is VALUE."
  (princ (format "%s: %s\n" name value)))

(defun wait-until (is-so)
  "Wait up to 20 s until IS-SO gives non-nil, and give that."
  (let ((ends (+ (float-time) 20)) found)
    (while (and (not (setq found (funcall is-so))) (< (float-time) ends))
      (accept-process-output nil 0.1))
    found))

(defun go-to-row (row)
  "Go to the start of ROW, counted from 0."
  (goto-char (point-min))
  (forward-line row))

(defun row-text (row)
  "The text of ROW."
  (save-excursion
    (go-to-row row)
    (buffer-substring-no-properties (line-beginning-position) (line-end-position))))

(defun rename-in-row (row)
  "Make `warn' `warning' in ROW, and tell the server, as idle time would."
  (go-to-row row)
  (search-forward "warn(")
  (backward-char)
  (insert "ing")
  (eglot--signal-textDocument/didChange)
  (accept-process-output nil 0.4))

(defun status ()
  "What our own status request gives."
  (jsonrpc-request (eglot-current-server) :zeta/status nil :timeout 20))

(let* ((command (json-parse-string (getenv "SERVER") :array-type 'list))
       (row (string-to-number (getenv "FIRST_ROW")))
       (next (string-to-number (getenv "NEXT_ROW")))
       (eglot-server-programs (list (cons 'python-mode command))))
  (find-file (expand-file-name "main.py" (getenv "ROOT")))
  (python-mode)
  (apply #'eglot--connect (eglot--guess-contact))
  (told "eglot" (if (eglot-current-server) "connected" "absent"))
  (wait-until (lambda () (< 0 (or (plist-get (status) :documents) 0))))

  ;; What the server does.
  (go-to-row (1+ row))
  (search-forward "log")
  (backward-char)
  (told "hover"
        (json-serialize (jsonrpc-request (eglot-current-server) :textDocument/hover
                                         (eglot--TextDocumentPositionParams))))
  (let ((found (car (xref-backend-definitions 'eglot (xref-backend-identifier-at-point 'eglot)))))
    (told "definition" (and found (xref-location-group (xref-item-location found)))))
  (told "diagnostics"
        (mapcar (lambda (one) (1- (line-number-at-pos (flymake-diagnostic-beg one))))
                (wait-until (lambda () (flymake-start) (flymake-diagnostics)))))

  ;; What the proxy adds.
  (rename-in-row row)
  (rename-in-row (+ row 2))
  (go-to-row next)
  (let* ((is-ours (lambda (title) (string-prefix-p "Apply predicted edit" title)))
         (title (wait-until
                 (lambda ()
                   (accept-process-output nil 0.3)
                   (cl-find-if is-ours
                               (mapcar (lambda (action) (plist-get action :title))
                                       (eglot-code-actions (point) (point))))))))
    (told "title" title)
    (let ((completing-read-function
           (lambda (_ choices &rest _) (cl-find-if is-ours (mapcar #'car choices))))
          (last-nonmenu-event ?\r))
      (eglot-code-actions (point) (point) nil t)))
  (told "row" (row-text next))
  (eglot--signal-textDocument/didChange)
  (told "accepted"
        (wait-until (lambda () (plist-get (plist-get (status) :counts) :accepted))))
  (set-buffer-modified-p nil)
  (eglot-shutdown (eglot-current-server) nil 20)
  (told "eglot" (if (eglot-current-server) "connected" "gone")))

;;; eglot_session.el ends here
