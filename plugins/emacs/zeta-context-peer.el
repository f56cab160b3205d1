;;; zeta-context-peer.el --- Who predicts for a buffer -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; The agent of one's own, or the proxy that eglot or lsp-mode run in front of a server: how each is
;; asked and told, and how it counts in lines.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'zeta-context-agent)

(declare-function eglot-current-server "eglot")
(declare-function eglot--TextDocumentIdentifier "eglot")
(declare-function eglot--pos-to-lsp-position "eglot")
(declare-function eglot--lsp-position-to-point "eglot")
(declare-function eglot--signal-textDocument/didChange "eglot")
(declare-function eglot--capabilities "eglot")
(declare-function lsp-request-async "lsp-mode")
(declare-function lsp-notify "lsp-mode")
(declare-function lsp--server-capabilities "lsp-mode")
(declare-function lsp--text-document-identifier "lsp-mode")
(defvar eglot-server-programs)

(defun zeta-context--eglot ()
  "The server that eglot runs for this buffer, if it is behind the proxy."
  (when-let* ((server (and (bound-and-true-p eglot--managed-mode) (eglot-current-server)))
              (experimental (plist-get (eglot--capabilities server) :experimental)))
    (and (plist-get experimental :zetaContext) server)))

(defun zeta-context--lsp-mode-p ()
  "Whether lsp-mode runs a server for this buffer that is behind the proxy."
  (and (bound-and-true-p lsp-managed-mode)
       (let ((experimental (ignore-errors (gethash "experimental" (lsp--server-capabilities)))))
         (and (hash-table-p experimental) (gethash "zetaContext" experimental)))))

(defun zeta-context--peer ()
  "Who predicts for this buffer: `eglot', `lsp-mode', `own', or nil."
  (cond ((zeta-context--eglot) 'eglot)
        ((zeta-context--lsp-mode-p) 'lsp-mode)
        ((and zeta-context--open zeta-context--ready) 'own)))

(defun zeta-context--request (method params success)
  "Send METHOD with PARAMS and the place of point.
SUCCESS gets the result as a plist."
  (pcase (zeta-context--peer)
    ('own
     (zeta-context--flush)
     (jsonrpc-async-request
      zeta-context--agent method
      (append params `(:textDocument (:uri ,(zeta-context--buffer-uri))
                       :position ,(zeta-context--position)))
      :success-fn success :error-fn #'ignore :timeout-fn #'ignore))
    ('eglot
     (eglot--signal-textDocument/didChange)
     (jsonrpc-async-request
      (zeta-context--eglot) method
      (append params `(:textDocument ,(eglot--TextDocumentIdentifier)
                       :position ,(eglot--pos-to-lsp-position)))
      :success-fn success :error-fn #'ignore :timeout-fn #'ignore))
    ('lsp-mode
     (lsp-request-async
      (substring (symbol-name method) 1)
      (append params `(:textDocument ,(lsp--text-document-identifier)
                       :position ,(zeta-context--utf-16-position)))
      (lambda (result) (funcall success (zeta-context--plist result)))
      :error-handler #'ignore :mode 'tick))))

(defun zeta-context--plist (value)
  "VALUE with property lists for hash tables."
  (cond ((hash-table-p value)
         (let (plist)
           (maphash (lambda (key one)
                      (setq plist (cl-list* (intern (concat ":" key)) (zeta-context--plist one)
                                            plist)))
                    value)
           plist))
        ((vectorp value) (cl-map 'vector #'zeta-context--plist value))
        (t value)))

(defun zeta-context--notify (method params)
  "Tell METHOD with PARAMS to who predicts."
  (pcase (zeta-context--peer)
    ('own (zeta-context--tell method params))
    ('eglot (jsonrpc-notify (zeta-context--eglot) method params))
    ('lsp-mode (lsp-notify (substring (symbol-name method) 1) params))))

(defun zeta-context--point (position)
  "The buffer position of a POSITION of the protocol."
  (pcase (zeta-context--peer)
    ('eglot (eglot--lsp-position-to-point position))
    (peer (save-excursion
            (save-restriction
              (widen)
              (goto-char (point-min))
              (if (> (forward-line (plist-get position :line)) 0)
                  (point-max)
                (zeta-context--forward (plist-get position :character) (eq peer 'lsp-mode))
                (point)))))))

(defun zeta-context--forward (units is-utf-16)
  "Move by UNITS in this line: code points, or with IS-UTF-16 the units of that."
  (while (and (> units 0) (not (eolp)))
    (setq units (- units (if (and is-utf-16 (> (char-after) #xffff)) 2 1)))
    (forward-char)))

(defun zeta-context--utf-16-position ()
  "Point as the protocol has it by default."
  (let ((position (zeta-context--position)))
    (cl-incf (plist-get position :character)
             (cl-count-if (lambda (char) (> char #xffff))
                          (buffer-substring-no-properties (line-beginning-position) (point))))
    position))

;;;; Behind the proxy

(defun zeta-context-wrap (command)
  "COMMAND, a list of strings, behind the proxy."
  (append (or (zeta-context--command) zeta-context-program) '("proxy" "--") command))

;;;###autoload
(defun zeta-context-wrap-eglot (&rest modes)
  "Let eglot start the servers of MODES behind the proxy.
Without MODES, all of them."
  (require 'eglot)
  (dolist (entry eglot-server-programs)
    (let ((names (mapcar (lambda (mode) (if (consp mode) (car mode) mode))
                         (ensure-list (car entry)))))
      (when (and (or (null modes) (cl-intersection names modes))
                 (consp (cdr entry)) (cl-every #'stringp (cdr entry))
                 (not (member "proxy" (cdr entry))))
        (setcdr entry (zeta-context-wrap (cdr entry)))))))

(defun zeta-context--wrap-once (command)
  "COMMAND behind the proxy, if it is one and is not there already."
  (if (and (consp command) (not (member "proxy" command)))
      (zeta-context-wrap command)
    command))

;;;###autoload
(defun zeta-context-wrap-lsp-mode ()
  "Let lsp-mode start its servers behind the proxy."
  ;; The second is its name up to lsp-mode 8.
  (dolist (function '(lsp-resolve-final-command lsp-resolve-final-function))
    (when (fboundp function)
      (advice-add function :filter-return #'zeta-context--wrap-once))))

(provide 'zeta-context-peer)
;;; zeta-context-peer.el ends here
